//! The ports in a folder, for a function on this machine: nothing is queued and nobody is told there, so both say so.

use crate::ports::{DeadQueue, Event, Events, Letters, Notify, PortError, Queues, Work};
use async_trait::async_trait;

/// A folder has no queues: the command `run` plays them, and takes up by itself what is owed. So nothing is dead, and nothing can be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoQueues;

#[async_trait]
impl Queues for NoQueues {
    async fn dead_letters(&self, _queue: DeadQueue, _limit: usize) -> Result<Letters, PortError> {
        Ok(Letters::default())
    }

    async fn send(&self, work: &Work) -> Result<(), PortError> {
        Err(PortError {
            action: "queue",
            name: format!("{work:?}"),
            problem: "a folder has no queues: type `tidemill run`, which takes up what is owed".to_owned(),
            passes: false,
        })
    }
}

/// Tells on a function that is passed in: the log of the process.
#[derive(Clone, Copy)]
pub struct Told(pub fn(&str));

#[async_trait]
impl Notify for Told {
    async fn notify(&self, subject: &str, text: &str) -> Result<(), PortError> {
        (self.0)(&format!("{subject}\n{text}"));
        Ok(())
    }
}

#[async_trait]
impl Events for Told {
    async fn put(&self, event: &Event) -> Result<(), PortError> {
        (self.0)(&format!("{} {}", event.kind, event.detail));
        Ok(())
    }
}
