//! `apply`: what must be done so that a stack runs the pipelines of some files, and how it is told. Pure; `cloud` looks and carries out.

mod laptop;
pub mod plan;
pub mod schedule;
mod shown;

pub use laptop::laptop_only;
pub use plan::{CollectionWanted, DefinitionWanted, PipelineWanted, Plan, There, Wanted, plan};
pub use schedule::{Difference, Schedule, Wiring};
