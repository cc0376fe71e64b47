//! Turns Sallyport policy into bundles, and tests, explains and tries it out.
//!
//! ```text
//!  files ─► yaml, json ─► tree ─► shape (held to language) ─► source ─► check ─► engine::Policy ─► bundle
//!                                      └──────── diagnostics ────────────┘ └──► lint
//! ```
//!
//! [`compile`] goes all the way and reports everything that is wrong on it at once. [`cases`] reads what a gate is tried
//! with, and [`decide`] tries it, be it the engine, the module in wasmtime or a real Envoy.

mod audit;
pub mod cases;
mod check;
pub mod commands;
mod compile;
pub mod coverage;
pub mod decide;
pub mod describe;
pub mod detectors;
pub mod diagnostic;
pub mod diff;
pub mod exit;
pub mod explain;
pub mod files;
mod json;
pub mod json_schema;
pub mod junit;
pub mod keys;
pub mod language;
mod lint;
pub mod native;
pub mod patterns;
mod probe;
pub mod project;
mod registry;
mod render;
mod replay;
pub mod report;
pub mod scanning;
mod serve;
pub mod shape;
mod slice;
mod source;
pub mod sources;
mod suggest;
pub mod testing;
pub mod tree;
mod yaml;

pub use check::Detection;
pub use compile::{
    bundle_file, compile, compile_files, compile_for, detection, load_bundle, load_policy, load_policy_for,
};
pub use slice::{Audience, InvalidAudience};
