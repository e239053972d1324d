//! What the home remembers of where each resource's documents went: lines are only ever added to a small file.

use super::Place;
use ledger::ResourceId;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// The file in the home.
pub const FILE: &str = "places.jsonl";

/// The places of the documents, resource by resource.
#[derive(Clone, Debug)]
pub struct Places {
    path: PathBuf,
}

/// A line: from here on, documents of the resource are brought to the place.
#[derive(Serialize, Deserialize)]
struct Line {
    resource: String,
    place: Place,
    /// A replay has brought all of them there: what is elsewhere is not missed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    all: bool,
}

impl Places {
    pub fn of_home(home: &Path) -> Places {
        Places { path: home.join(FILE) }
    }

    /// The places that hold documents of the resource. With only one, it holds all.
    pub fn of(&self, resource: &ResourceId) -> io::Result<Vec<Place>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let resource = resource.to_string();
        let mut places: Vec<Place> = Vec::new();
        // A process that died while it wrote a line had not begun to load.
        for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
            if line.resource != resource {
                continue;
            }
            if line.all {
                places.clear();
            }
            if !places.iter().any(|place| place.is(&line.place)) {
                places.push(line.place);
            }
        }
        Ok(places)
    }

    /// Notes, before they are, that documents of the resource are brought to the place. `before`: where those of earlier runs are, if nothing was noted yet.
    pub fn brought(&self, resource: &ResourceId, place: &Place, before: Option<Place>) -> io::Result<()> {
        let known = self.of(resource)?;
        let before = before.filter(|_| known.is_empty());
        for place in before.iter().chain([place]) {
            if !known.iter().any(|known| known.is(place)) {
                self.add(resource, place, false)?;
            }
        }
        Ok(())
    }

    /// Notes that all documents of the resource are there.
    pub fn all_brought(&self, resource: &ResourceId, place: &Place) -> io::Result<()> {
        match self.of(resource)?.as_slice() {
            [only] if only.is(place) => Ok(()),
            _ => self.add(resource, place, true),
        }
    }

    fn add(&self, resource: &ResourceId, place: &Place, all: bool) -> io::Result<()> {
        let line = Line {
            resource: resource.to_string(),
            place: place.clone(),
            all,
        };
        // On a line of its own even after one that was cut short: an empty line is nothing.
        let text = format!("\n{}\n", serde_json::to_string(&line)?);
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match self.path.parent() {
            Some(home) => File::open(home)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use pipeline::Name;

    fn resource(name: &str) -> ResourceId {
        ResourceId {
            pipeline: Name::new("p").unwrap(),
            resource: Name::new(name).unwrap(),
        }
    }

    #[test]
    fn a_resource_has_the_places_it_was_brought_to_until_one_has_all() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::of_home(home.path());
        let [a, b] = ["a", "b"].map(resource);
        let there = Place::Mongodb {
            hosts: vec!["h:27017".to_owned()],
            database: "x".to_owned(),
        };
        assert_eq!(places.of(&a).unwrap(), []);
        places.brought(&a, &Place::Embedded, None).unwrap();
        places.brought(&a, &Place::Embedded, Some(there.clone())).unwrap();
        assert_eq!(places.of(&a).unwrap(), [Place::Embedded]);
        places.brought(&a, &there, None).unwrap();
        assert_eq!(places.of(&a).unwrap(), [Place::Embedded, there.clone()]);
        assert_eq!(places.of(&b).unwrap(), []);
        places.all_brought(&a, &there).unwrap();
        places.all_brought(&a, &there).unwrap();
        assert_eq!(places.of(&a).unwrap(), std::slice::from_ref(&there));
        // Of a home that is older than this file.
        places.brought(&b, &there, Some(Place::Embedded)).unwrap();
        assert_eq!(places.of(&b).unwrap(), [Place::Embedded, there]);
        let text = fs::read_to_string(home.path().join(FILE)).unwrap();
        assert_eq!(text.lines().filter(|line| !line.is_empty()).count(), 5, "{text}");
        assert!(!text.contains("u:p"), "{text}");
    }

    #[test]
    fn a_line_that_was_cut_short_is_no_line() {
        let home = tempfile::tempdir().unwrap();
        let places = Places::of_home(home.path());
        fs::write(home.path().join(FILE), "\n{\"resource\":\"p/a\",\"pla").unwrap();
        assert_eq!(places.of(&resource("a")).unwrap(), []);
        places.brought(&resource("a"), &Place::Embedded, None).unwrap();
        assert_eq!(places.of(&resource("a")).unwrap(), [Place::Embedded]);
    }
}
