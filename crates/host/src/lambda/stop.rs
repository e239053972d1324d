//! The end of the process: on SIGTERM the record in hand is finished and answered, then no more is asked for.
//!
//! No extension is registered for it, as `lambda_runtime` would: see `docs/decisions/0019-no-extension-for-the-shutdown.md`.

use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{Error, LambdaInvocation};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::sync::watch;

/// Whether the process is to end, and whether it is at work.
#[derive(Clone)]
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    busy: Arc<watch::Sender<bool>>,
}

impl Default for Stop {
    fn default() -> Stop {
        Stop {
            asked: Arc::default(),
            busy: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Stop {
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Listens from now on; the future ends when SIGTERM has come and no invocation is open.
    pub fn listen(&self) -> std::io::Result<impl Future<Output = ()> + use<>> {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let stop = self.clone();
        Ok(async move {
            terminate.recv().await;
            stop.asked.store(true, Ordering::Relaxed);
            let mut busy = stop.busy.subscribe();
            // Fails only when nobody can be busy any more.
            drop(busy.wait_for(|busy| !busy).await);
        })
    }
}

impl<S> Layer<S> for Stop {
    type Service = Watched<S>;

    fn layer(&self, inner: S) -> Watched<S> {
        Watched { inner, stop: self.clone() }
    }
}

/// A service whose open invocation is known to [`Stop`], its answer's way to Lambda included.
pub(super) struct Watched<S> {
    inner: S,
    stop: Stop,
}

impl<S> Service<LambdaInvocation> for Watched<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
    S::Future: 'static,
{
    type Response = ();
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), Error>>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let stop = self.stop.clone();
        stop.busy.send_replace(true);
        let open = self.inner.call(invocation);
        Box::pin(async move {
            let ended = open.await;
            stop.busy.send_replace(false);
            if stop.asked() {
                // Else the runtime would ask for an invocation that nobody answers.
                std::future::pending::<()>().await;
            }
            ended
        })
    }
}
