//! Dead letters: which of them are one incident. Pure.

use crate::ports::{DeadQueue, Letter, Subject, Task};
use lake::{RawKey, RunId};
use ledger::ResourceId;
use ledger::incident::Kind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The characters of a whole hash of a definition.
const HASH_CHARS: usize = 64;

/// So many parts of a cause are remembered until they have reached their end state.
pub const PARTS_MAX: usize = 500;

/// What a letter is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    Resource(ResourceId),
    /// A backup or a drill.
    Vault(Task),
    /// It was understood, and concerns no resource: a tick of `watch`.
    Nothing,
    /// Nobody can make sense of it.
    #[default]
    Unreadable,
}

/// The letters of one cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub about: About,
    pub letters: u64,
    /// When the newest of them was sent.
    pub newest_ms: i64,
    pub parts: BTreeSet<DeadPart>,
    /// The backups or drills that they asked for, as far as they say it.
    pub ids: BTreeSet<RunId>,
}

/// An object that a dead letter was about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeadPart {
    /// The key of the raw object.
    pub raw: String,
    /// The definition that a replay named, whole; or the first 8 digits of the one that the clean object was made under. `None`: the raw object's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
}

impl DeadPart {
    /// The key, read.
    pub fn raw_key(&self) -> Option<RawKey> {
        RawKey::parse(&self.raw).ok()
    }

    /// The whole hash of its definition, where it can be told: `own` is that of the part's run, `newest` the pipeline's.
    pub fn definition(&self, own: Option<&str>, newest: Option<&str>) -> Option<String> {
        match self.definition.as_deref() {
            None => own.map(str::to_owned),
            Some(begins) => {
                let known = [own, newest].into_iter().flatten().find(|known| known.starts_with(begins));
                known.or((begins.len() == HASH_CHARS).then_some(begins)).map(str::to_owned)
            }
        }
    }
}

/// The cause of the letters about the same in a queue.
pub fn cause(queue: DeadQueue, about: &About) -> String {
    let (kind, queue) = (about.kind().as_str(), queue.as_str());
    match about {
        About::Resource(resource) => format!("{kind}/{queue}/{resource}"),
        About::Vault(task) => format!("{kind}/{queue}/{}", task.as_str()),
        About::Nothing | About::Unreadable => format!("{kind}/{queue}"),
    }
}

/// The letters of a queue, by their cause. A letter about two resources counts for both.
pub fn groups(queue: DeadQueue, letters: &[Letter]) -> BTreeMap<String, Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for letter in letters {
        let subjects = letter.subjects.as_deref();
        let abouts: BTreeSet<About> = match subjects {
            None => [About::Unreadable].into(),
            Some([]) => [About::Nothing].into(),
            Some(subjects) => subjects.iter().map(About::of).collect(),
        };
        for about in abouts {
            let group = groups.entry(cause(queue, &about)).or_default();
            group.letters += 1;
            group.newest_ms = group.newest_ms.max(letter.sent_ms);
            for subject in subjects.unwrap_or_default() {
                if About::of(subject) == about {
                    group.add(subject);
                }
            }
            group.about = about;
        }
    }
    groups
}

/// The task of the letters with this cause; `None` where they are about something else.
pub fn task_of(cause: &str) -> Option<Task> {
    let is_of = |task: &Task| {
        DeadQueue::ALL
            .iter()
            .any(|queue| self::cause(*queue, &About::Vault(*task)) == cause)
    };
    Task::ALL.into_iter().find(is_of)
}

impl About {
    fn of(subject: &Subject) -> About {
        let of_raw = |raw: &RawKey| {
            About::Resource(ResourceId {
                pipeline: raw.pipeline.clone(),
                resource: raw.resource.clone(),
            })
        };
        match subject {
            Subject::Tick { resource, .. } => About::Resource(resource.clone()),
            Subject::Raw { raw, .. } => of_raw(raw),
            Subject::Clean(clean) => of_raw(&clean.raw),
            Subject::Vault { task, .. } => About::Vault(*task),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            About::Resource(_) | About::Vault(_) | About::Nothing => Kind::DeadLetter,
            About::Unreadable => Kind::UnreadableMessage,
        }
    }

    pub fn resource(&self) -> Option<&ResourceId> {
        match self {
            About::Resource(resource) => Some(resource),
            About::Vault(_) | About::Nothing | About::Unreadable => None,
        }
    }
}

impl Group {
    fn add(&mut self, subject: &Subject) {
        let part = match subject {
            // What became of a tick, the resource's runs tell.
            Subject::Tick { .. } => return,
            Subject::Vault { id, .. } => return self.ids.extend(*id),
            Subject::Raw { raw, definition } => DeadPart {
                raw: raw.key().to_string(),
                definition: definition.clone(),
            },
            Subject::Clean(clean) => DeadPart {
                raw: clean.raw.key().to_string(),
                definition: Some(clean.definition.clone()),
            },
        };
        self.parts.insert(part);
    }
}
