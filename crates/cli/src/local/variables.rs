//! The variables of Tidemill's own, and names that were probably meant to be one. Pure.

use std::collections::BTreeSet;

/// Where the home is.
pub const HOME: &str = "TIDEMILL_HOME";

/// Which stack in the cloud commands speak to.
pub const STACK: &str = "TIDEMILL_STACK";

/// What every name of ours begins with.
const PREFIX: &str = "TIDEMILL_";

/// What begins the name of a secret's variable.
pub const SECRET: &str = "TIDEMILL_SECRET_";

/// What begins the names of variables for this repository's own tests.
const TEST: &str = "TIDEMILL_TEST_";

/// Where the documents go.
const MONGODB: &str = super::destination::VARIABLE;

/// Letters that may be wrong in a name that was meant.
const DISTANCE_MAX: usize = 3;

/// A sentence for each name that was probably meant to be one of ours and is none. Others may be anything: a pipeline file can ask for any name.
pub fn misspelt<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let sentence = |name: &str| Some(format!("`{name}` means nothing to Tidemill: did you mean `{}`?", meant(name)?));
    names.into_iter().filter_map(sentence).collect()
}

fn meant(name: &str) -> Option<String> {
    let known = [HOME, STACK, MONGODB];
    let is_known = known.contains(&name) || name.starts_with(SECRET) || name.starts_with(TEST);
    let upper = name.to_ascii_uppercase();
    let own = upper.strip_prefix(PREFIX).filter(|_| !is_known)?;
    if upper.starts_with(SECRET) {
        return Some(upper);
    }
    if let Some(secret) = own.strip_prefix("SECRETS_") {
        return Some(format!("{SECRET}{secret}"));
    }
    if own.starts_with("MONGO") {
        return Some(MONGODB.to_owned());
    }
    let distances = known.iter().map(|known| (strsim::damerau_levenshtein(known, &upper), known));
    let (_, nearest) = distances.filter(|(distance, _)| *distance <= DISTANCE_MAX).min()?;
    Some(nearest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_probably_meant_is_said_once() {
        let names = [
            "PATH",
            "TIDEMILL_HOME",
            "TIDEMILL_MONGODB_URI",
            "TIDEMILL_SECRET_X",
            "TIDEMILL_TEST_MONGODB_URI",
            "TIDEMILL_MONGO_URI",
            "TIDEMILL_MONGO_URI",
            "TIDEMILL_MONGODB_URl",
            "TIDEMIL_MONGODB_URI",
            "tidemill_home",
            "TIDEMILL_HOEM",
            "tidemill_secret_shop",
            "TIDEMILL_SECRETS_SHOP",
            "TIDEMILL_COLOUR_OF_THE_SKY",
        ];
        insta::assert_snapshot!(misspelt(names).join("\n"), @r"
        `TIDEMILL_HOEM` means nothing to Tidemill: did you mean `TIDEMILL_HOME`?
        `TIDEMILL_MONGODB_URl` means nothing to Tidemill: did you mean `TIDEMILL_MONGODB_URI`?
        `TIDEMILL_MONGO_URI` means nothing to Tidemill: did you mean `TIDEMILL_MONGODB_URI`?
        `TIDEMILL_SECRETS_SHOP` means nothing to Tidemill: did you mean `TIDEMILL_SECRET_SHOP`?
        `tidemill_home` means nothing to Tidemill: did you mean `TIDEMILL_HOME`?
        `tidemill_secret_shop` means nothing to Tidemill: did you mean `TIDEMILL_SECRET_SHOP`?
        ");
    }
}
