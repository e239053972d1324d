//! The README's tables are the code's.

use ledger::incident::Kind;
use watch::settings::{OPTIONAL, VARIABLES};

const README: &str = include_str!("../../README.md");

#[test]
fn each_setting_stands_in_the_readme() {
    for (name, about) in VARIABLES.into_iter().chain(OPTIONAL) {
        let row = format!("| `{name}` | {about} |");
        assert!(README.contains(&row), "the README lacks this row:\n{row}");
    }
    assert_eq!(
        README.matches("| `TIDEMILL_").count(),
        VARIABLES.len() + OPTIONAL.len(),
        "the README has a setting too many"
    );
}

#[test]
fn each_kind_of_incident_stands_in_the_readme() {
    for kind in [
        Kind::DeadLetter,
        Kind::FailedRun,
        Kind::MissedRun,
        Kind::LateRun,
        Kind::SkippedRuns,
        Kind::StuckObject,
        Kind::RejectsOverLimit,
        Kind::NotShown,
        Kind::UnreadableMessage,
        Kind::BackupFailed,
        Kind::BackupLate,
        Kind::DrillFailed,
        Kind::DrillLate,
    ] {
        assert!(README.contains(&format!("| `{}` |", kind.as_str())), "{kind:?}");
    }
}
