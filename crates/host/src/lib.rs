//! The process around a function: settings, secrets, telemetry, the AWS clients' configuration, and (feature `lambda`) the runtime.

#[cfg(feature = "lambda")]
pub mod adapters;
pub mod clock;
pub mod event;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod sdk;
pub mod secrets;
pub mod settings;
pub mod telemetry;

pub use clock::SystemClock;
