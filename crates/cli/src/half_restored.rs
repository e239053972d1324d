//! A restore that did not come to its end, in words: the mark that it left in the database says so.

use crate::commands::shell_word;
use backup::HalfRestored;

/// What is being restored.
pub fn what(half: &HalfRestored) -> String {
    match half.only.as_slice() {
        [] => format!("the backup {}", half.backup),
        only => format!("`{}` of the backup {}", only.join("`, `"), half.backup),
    }
}

/// What the mark in a database means, and what to do about it. `command`: words of this program, on the same home or stack.
pub fn told(mark: &str, command: impl Fn(&str) -> String) -> (String, String) {
    let (what, words) = match HalfRestored::of_mark(mark) {
        Some(half) => {
            let only = half.only.iter().map(|name| format!(" --only {}", shell_word(name)));
            (what(&half), format!("restore {}{}", half.backup, only.collect::<String>()))
        }
        None => ("a backup".to_owned(), "restore --start-over".to_owned()),
    };
    let what = format!("the database is not whole: a restore of {what} is under way, or was interrupted");
    (what, format!("unless somebody is at it, go on with it: {}", command(&words)))
}
