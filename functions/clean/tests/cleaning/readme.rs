//! The README's table of reasons is the code's.

#[test]
fn every_reason_is_in_the_readme() {
    let readme = include_str!("../../README.md");
    for reason in clean::Reason::ALL {
        let row = format!("| `{}` | {} |", reason.as_str(), reason.meaning().trim());
        assert!(readme.contains(&row), "the README lacks this row:\n{row}");
    }
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 3)
        .count();
    assert_eq!(rows, clean::Reason::ALL.len(), "the README has a reason too many");
}
