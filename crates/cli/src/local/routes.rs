//! Which function is started by an object in which zone: the one table that in the cloud is the rules of the bucket's events.

use lake::Zone;

/// A function that an object starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    Clean,
    Load,
}

/// Zone written → function started. What is not here starts nothing.
pub const ROUTES: &[(Zone, Function)] = &[(Zone::Raw, Function::Clean), (Zone::Clean, Function::Load)];

/// The function that a new object with this key starts.
pub fn started_by(key: &str) -> Option<Function> {
    let zone = key.split('/').next()?;
    let route = ROUTES.iter().find(|(routed, _)| routed.as_str() == zone);
    route.map(|(_, function)| *function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_raw_and_clean_objects_start_something() {
        assert_eq!(started_by("raw/p/r/dt=2026-11-24/R/000001.jsonl.zst"), Some(Function::Clean));
        assert_eq!(
            started_by("clean/p/r/v=01234567/dt=2026-11-24/R/000001.bson.zst"),
            Some(Function::Load)
        );
        for key in ["rejected/p", "refused/p", "definitions/p/x.yaml", "rawer/p", ""] {
            assert_eq!(started_by(key), None, "{key}");
        }
    }
}
