//! What the functions' READMEs say of their settings is what the code reads; with `UPDATE=1` it is written anew.

use host::settings::{Common, HOME, Key, table};
use std::path::Path;

const BEGIN: &str = "<!-- printed from the code: UPDATE=1 cargo test -p tidemill-tests --test in_process readmes -->\n";
const END: &str = "<!-- until here -->\n";

type Variables = [(&'static str, &'static str)];

fn check(function: &str, own: &Variables, optional: &Variables) {
    let own = own.iter().map(|(name, about)| Key::required(name, about));
    let optional = optional.iter().map(|(name, about)| Key::optional(name, about));
    let keys: Vec<Key> = Common::KEYS.into_iter().chain(own).chain(optional).chain([HOME]).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../functions")
        .join(function)
        .join("README.md");
    let found = std::fs::read_to_string(&file).unwrap();
    let parts = found
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.unwrap_or_else(|| panic!("functions/{function}/README.md has no place for its settings: {BEGIN}{END}"));
    let fresh = format!("{before}{BEGIN}\n{}\n{END}{after}", table(&keys));
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&file, &fresh).unwrap();
        return;
    }
    assert!(
        found == fresh,
        "the settings in functions/{function}/README.md are not what the code reads: {BEGIN}"
    );
}

#[test]
fn the_settings_in_the_readmes_are_fresh() {
    check("extract", &extract::settings::VARIABLES, &[]);
    check("clean", &clean::settings::VARIABLES, &[]);
    check("load", &load::settings::VARIABLES, &[]);
    check("backup", &backup::settings::VARIABLES, &backup::settings::OPTIONAL);
}
