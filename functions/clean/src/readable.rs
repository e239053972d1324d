//! Whether common readers take a JSON text: half of a surrogate pair, a number beyond a double, and deep nesting are JSON that many refuse.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Deeper than this, and a few levels around it, readers begin to give up.
const DEPTH_MAX: u32 = 100;

/// Whether `text` can stand in a line of `rejected/` as JSON; else it stands there as a text, not a byte of it changed.
pub(crate) fn is_readable(text: &str) -> bool {
    let mut reader = serde_json::Deserializer::from_str(text);
    Level(0).deserialize(&mut reader).is_ok()
}

/// Reads whatever comes, and keeps nothing.
#[derive(Clone, Copy)]
struct Level(u32);

impl<'de> DeserializeSeed<'de> for Level {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        if self.0 > DEPTH_MAX {
            return Err(D::Error::custom("nested too deep"));
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Level(self.0 + 1))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = Level(self.0 + 1);
        while entries.next_entry_seed(inner, inner)?.is_some() {}
        Ok(())
    }
}
