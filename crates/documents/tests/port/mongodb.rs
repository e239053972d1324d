//! The suite against MongoDB: the test server, or the one that `TIDEMILL_TEST_MONGODB_URI` names.

mod faults;
mod kill;
mod replace;
mod write;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use documents::MongoDocuments;
use documents::mongodb::Fixed;
use servers::mongodb::{Database, shared};

use crate::suite::{self, Keys, Variety};

fn new() -> (Database<'static>, MongoDocuments) {
    let database = shared().fresh_database();
    let store = open(&database);
    (database, store)
}

fn open(database: &Database<'_>) -> MongoDocuments {
    MongoDocuments::new(Arc::new(Fixed::new(database.uri().into())))
}

/// Does a piece of work until it was woken so often, then drops it: as a process that is killed. `None`: it was dropped.
async fn killed_after<T>(wakes: usize, work: impl Future<Output = T>) -> Option<T> {
    struct Mortal<F> {
        work: Pin<Box<F>>,
        wakes: usize,
    }
    impl<F: Future> Future for Mortal<F> {
        type Output = Option<F::Output>;
        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            let Some(left) = self.wakes.checked_sub(1) else {
                return Poll::Ready(None);
            };
            self.wakes = left;
            self.work.as_mut().poll(context).map(Some)
        }
    }
    let work = Box::pin(work);
    Mortal { work, wakes }.await
}

suite!();

#[tokio::test]
async fn equals_the_model() {
    for seed in 0..10 {
        let (_database, store) = new();
        suite::equals_the_model(&store, seed, Keys::OfOneType).await;
    }
}

#[tokio::test]
async fn the_very_bytes_come_back() {
    for seed in 0..3 {
        let (_database, store) = new();
        suite::the_very_bytes_come_back(&store, seed, Variety::OfServers).await;
    }
}

#[tokio::test]
async fn order_does_not_matter() {
    for seed in 0..10 {
        let ((_one_database, one), (_other_database, other)) = (new(), new());
        suite::order_does_not_matter(&one, &other, seed, Keys::OfOneType).await;
    }
}
