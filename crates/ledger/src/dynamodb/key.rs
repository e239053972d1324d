//! Pure: where each item of the table lies.

use crate::{FactKey, ResourceId, Shelf};
use lake::{Part, RawKey, RunId};
use pipeline::Name;
use std::fmt;

/// The key of an item. No name, run or hash holds a `#`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.pk, self.sk)
    }
}

/// The value of `gpk` of every run's mark.
pub(super) const ALL_RUNS: &str = "RUNS";
pub(super) const RUN_PREFIX: &str = "RUN#";
pub(super) const INTENT_PREFIX: &str = "INTENT#";
pub(super) const NOTE_PREFIX: &str = "NOTE#";

impl Key {
    pub(super) fn schema() -> Key {
        Key {
            pk: "SCHEMA".to_owned(),
            sk: "SCHEMA".to_owned(),
        }
    }

    pub(super) fn newest(pipeline: &Name) -> Key {
        Key {
            pk: format!("D#{pipeline}"),
            sk: "NEWEST".to_owned(),
        }
    }

    pub(super) fn generation(pipeline: &Name, generation: u32) -> Key {
        Key {
            pk: format!("D#{pipeline}"),
            sk: format!("G#{generation:010}"),
        }
    }

    pub(super) fn claim(collection: &Name) -> Key {
        Key {
            pk: format!("C#{collection}"),
            sk: "CLAIM".to_owned(),
        }
    }

    pub(super) fn lease(resource: &ResourceId) -> Key {
        Key {
            pk: of_resource(resource),
            sk: "LEASE".to_owned(),
        }
    }

    pub(super) fn cursor(resource: &ResourceId, source: &str) -> Key {
        Key {
            pk: of_resource(resource),
            sk: format!("CURSOR#{source}"),
        }
    }

    pub(super) fn run(run: RunId, resource: &ResourceId) -> Key {
        Key {
            pk: of_resource(resource),
            sk: format!("{RUN_PREFIX}{run}"),
        }
    }

    /// Tells, in the pipeline's list and in that of all, that there is such a run.
    pub(super) fn mark(run: RunId, resource: &ResourceId) -> Key {
        Key {
            pk: of_pipeline(&resource.pipeline),
            sk: format!("{RUN_PREFIX}{run}#{}", resource.resource),
        }
    }

    pub(super) fn intent(raw: &RawKey) -> Key {
        Key {
            pk: of_run_of(raw),
            sk: format!("{INTENT_PREFIX}{}", part(raw.part)),
        }
    }

    pub(super) fn fact(key: &FactKey) -> Key {
        let prefix = fact_prefix(&key.definition);
        Key {
            pk: of_run_of(&key.raw),
            sk: format!("{prefix}{}#{}", part(key.raw.part), key.stage.as_str()),
        }
    }

    pub(super) fn owed(raw: &RawKey, definition: &str) -> Key {
        Key {
            pk: owed_by(&raw.pipeline),
            sk: format!("{}#{definition}", raw.key()),
        }
    }

    pub(super) fn note(shelf: Shelf, key: &str) -> Key {
        Key {
            pk: on_shelf(shelf),
            sk: format!("{NOTE_PREFIX}{key}"),
        }
    }
}

pub(super) fn of_resource(resource: &ResourceId) -> String {
    format!("R#{}#{}", resource.pipeline, resource.resource)
}

pub(super) fn of_pipeline(pipeline: &Name) -> String {
    format!("P#{pipeline}")
}

pub(super) fn of_run(run: RunId, resource: &ResourceId) -> String {
    format!("F#{run}#{}#{}", resource.pipeline, resource.resource)
}

pub(super) fn owed_by(pipeline: &Name) -> String {
    format!("O#{pipeline}")
}

pub(super) fn on_shelf(shelf: Shelf) -> String {
    format!("N#{}", shelf.as_str())
}

/// What the sort keys of a definition's facts begin with.
pub(super) fn fact_prefix(definition: &str) -> String {
    format!("FACT#{definition}#")
}

/// The place of a run in the list of all.
pub(super) fn in_all(run: RunId, resource: &ResourceId) -> String {
    format!("{run}#{}#{}", resource.pipeline, resource.resource)
}

fn of_run_of(raw: &RawKey) -> String {
    format!("F#{}#{}#{}", raw.run, raw.pipeline, raw.resource)
}

/// So wide that the order of the texts is that of the parts, the marker last.
fn part(part: Part) -> String {
    match part {
        Part::Number(number) => format!("{number:010}"),
        Part::End => "end".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_in_order_as_texts() {
        let parts = [1, 9, 10, 999_999, 1_000_000, u32::MAX].map(Part::Number);
        let texts: Vec<String> = parts.into_iter().chain([Part::End]).map(part).collect();
        assert!(texts.is_sorted(), "{texts:?}");
    }
}
