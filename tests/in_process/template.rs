//! `infra/template.yaml`, as data: what its roles may do, its queues and rules, what the functions are told, what is kept.

mod drift;
mod kept;
mod people;
mod permissions;
mod policy;
mod printed;
mod queues;
mod stack;
mod told;
mod yaml;
