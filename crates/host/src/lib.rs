//! The process around a function: settings, secrets, telemetry, the AWS clients' configuration, and (feature `lambda`) the runtime.

pub mod sdk;
