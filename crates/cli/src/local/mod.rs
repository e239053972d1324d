//! The laptop's cloud: a folder as the lake, SQLite as ledger and document store, one process as queues and functions.

pub mod clock;
pub mod destination;
pub mod dotenv;
pub mod events;
pub mod holder;
pub mod home;
pub mod lock;
pub mod objects;
pub mod pipelines;
pub mod place;
pub mod places;
pub mod routes;
pub mod runner;
pub mod secrets;
pub mod set_aside;
pub mod upstream;
pub mod variables;
pub mod vault;

pub use destination::{Destination, DestinationError};
pub use home::{Home, HomeError};
pub use pipelines::{Found, PipelineError};
pub use place::Place;
pub use places::Places;
pub use runner::{Request, ResourceReport, Runner, RunnerError};
pub use upstream::{Upstream, UpstreamError};
