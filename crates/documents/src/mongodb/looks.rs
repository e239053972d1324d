//! What came of the driver's looks at each server: why none can take a command, when none can.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mongodb::error::ErrorKind;
use mongodb::event::sdam::SdamEvent;

use super::client::Place;
use super::error::{Fault, FaultKind, classify_io};

/// The last look at each server that is known of.
#[derive(Default)]
pub(super) struct Looks(Mutex<BTreeMap<String, Look>>);

#[derive(Clone, Debug, PartialEq)]
enum Look {
    /// There was none yet, or it answered.
    Well,
    Failed(FaultKind, String),
}

impl Looks {
    pub(super) fn watch(&self, event: SdamEvent) {
        match event {
            SdamEvent::ServerOpening(event) => self.opened(event.address.to_string()),
            SdamEvent::ServerClosed(event) => self.closed(&event.address.to_string()),
            SdamEvent::ServerHeartbeatSucceeded(event) => self.took(event.server_address.to_string(), Look::Well),
            SdamEvent::ServerHeartbeatFailed(event) => {
                let (kind, text) = match event.failure.kind.as_ref() {
                    ErrorKind::Io(cause) => classify_io(cause),
                    _ => {
                        let fault = Fault::of(&event.failure, &Place::default());
                        (fault.kind, fault.text)
                    }
                };
                self.took(event.server_address.to_string(), Look::Failed(kind, text));
            }
            _ => {}
        }
    }

    fn opened(&self, server: String) {
        self.with(|looks| {
            looks.entry(server).or_insert(Look::Well);
        });
    }

    fn closed(&self, server: &str) {
        self.with(|looks| drop(looks.remove(server)));
    }

    fn took(&self, server: String, look: Look) {
        self.with(|looks| drop(looks.insert(server, look)));
    }

    /// Why no server can be reached. Hopeless only when every one is so for the same reason: of several, another may be the primary in a moment.
    pub(super) fn failure(&self) -> Option<(FaultKind, String)> {
        self.with(|looks| {
            let failed: Vec<(&String, FaultKind, &String)> = looks
                .iter()
                .filter_map(|(server, look)| match look {
                    Look::Well => None,
                    Look::Failed(kind, text) => Some((server, *kind, text)),
                })
                .collect();
            let (_, first, text) = *failed.first()?;
            if looks.len() == 1 {
                return Some((first, text.clone()));
            }
            let alike = failed.len() == looks.len() && failed.iter().all(|(_, kind, _)| *kind == first);
            let texts: Vec<String> = failed.iter().map(|(server, _, text)| format!("{server}: {text}")).collect();
            Some((if alike { first } else { FaultKind::Unreachable }, texts.join("; ")))
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<String, Look>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn failed(looks: &Looks, server: &str, kind: FaultKind) {
        looks.took(server.to_owned(), Look::Failed(kind, format!("{kind:?}")));
    }

    #[test]
    fn one_server_speaks_for_itself() {
        let looks = Looks::default();
        looks.opened("a:1".to_owned());
        assert_eq!(looks.failure(), None);
        failed(&looks, "a:1", FaultKind::Certificate);
        assert_eq!(looks.failure(), Some((FaultKind::Certificate, "Certificate".to_owned())));
        looks.took("a:1".to_owned(), Look::Well);
        assert_eq!(looks.failure(), None);
    }

    #[test]
    fn a_bad_certificate_is_hopeless_only_when_every_server_has_one() {
        let looks = Looks::default();
        for server in ["a:1", "b:1"] {
            looks.opened(server.to_owned());
        }
        failed(&looks, "a:1", FaultKind::Certificate);
        // The primary steps down, and answers.
        assert_eq!(looks.failure().unwrap().0, FaultKind::Unreachable);
        failed(&looks, "b:1", FaultKind::Unreachable);
        let expected = "a:1: Certificate; b:1: Unreachable".to_owned();
        assert_eq!(looks.failure(), Some((FaultKind::Unreachable, expected)));
        failed(&looks, "b:1", FaultKind::Certificate);
        assert_eq!(looks.failure().unwrap().0, FaultKind::Certificate);
        // A member that left speaks no more.
        looks.closed("b:1");
        failed(&looks, "a:1", FaultKind::Unreachable);
        assert_eq!(looks.failure(), Some((FaultKind::Unreachable, "Unreachable".to_owned())));
    }
}
