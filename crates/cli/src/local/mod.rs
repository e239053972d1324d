//! The laptop's cloud: a folder as the lake, SQLite as ledger and document store, one process as queues and functions.

pub mod clock;
pub mod events;
pub mod holder;
pub mod home;
pub mod objects;
pub mod pipelines;
pub mod routes;
pub mod runner;
pub mod secrets;
pub mod set_aside;
pub mod upstream;

pub use home::{Home, HomeError};
pub use pipelines::{Found, PipelineError};
pub use runner::{Request, ResourceReport, Runner, RunnerError};
pub use upstream::{Upstream, UpstreamError};
