//! The failure boundary of a message: a panic in it is its failure, and nobody else's.

use super::Failure;
use ledger::Next;
use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Drives `work` to its end; if it panics, the panic's message is the failure's.
///
/// What the work left half done is dropped with it, and what it shares with others (clients, caches) is made to be used after a panic.
pub(super) async fn guarded<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(of_panic(&*panic))),
    })
    .await
}

fn of_panic(panic: &(dyn Any + Send)) -> Failure {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure {
        error_type: "Panic",
        // A bug, perhaps met by chance: its receives are counted, then the dead-letter queue has it.
        next: Next::Retry,
        chain: format!("panicked: {}", message.unwrap_or("no message")),
    }
}
