//! Help that teaches, kept as snapshots.

use clap::CommandFactory as _;
use cli::arguments::Arguments;

#[test]
fn every_command_explains_itself() {
    let mut root = Arguments::command().term_width(100);
    root.build();
    let mut pages = vec![("tidemill".to_owned(), root.render_long_help())];
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("tidemill {}", command.get_name());
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            pages.push((
                format!("{name} {}", below.get_name()),
                below.clone().term_width(100).render_long_help(),
            ));
        }
        pages.push((name, command.clone().term_width(100).render_long_help()));
    }
    for (name, page) in pages {
        insta::assert_snapshot!(name.replace(' ', "_"), page.to_string());
    }
}

#[tokio::test]
async fn help_is_what_was_asked_for_and_no_command_is_wrong_use() {
    let desk = crate::Desk::empty();
    let help = desk.type_in(&["run", "--help"]).await;
    assert_eq!((help.status, help.err.as_str()), (cli::Status::Well, ""));
    assert!(help.out.contains("--recorded"), "{}", help.out);
    let nothing = desk.type_in(&[]).await;
    assert_eq!((nothing.status, nothing.out.as_str()), (cli::Status::Wrong, ""));
    let misspelt = desk.type_in(&["rnu", "earthquakes"]).await;
    assert_eq!(misspelt.status, cli::Status::Wrong);
    assert!(misspelt.err.contains("similar"), "{}", misspelt.err);
}
