//! How results are shown: tables and numbers for people, JSON for programs, progress while work goes on.

pub mod json;
pub mod numbers;
pub mod plain;
pub mod progress;
pub mod tables;
