//! The Proxy-Wasm module that Envoy loads: Sallyport's engine with a host around it.
//!
//! ```text
//!  exports   the callbacks; contexts finds whom they are for
//!  root      plugin configuration → policy; fail closed without one
//!  follow    bundles from the companion, for all workers
//!  audit     records to the companion, from all workers
//!  companion what both kinds of calls have in common
//!  stream    read, ask the engine, perform the step
//!  peer      what TLS proved about the caller
//!  world     the clock, and counters that the workers share
//!  telemetry record → log line, filter state, metrics
//!  host      the only host calls
//! ```
//!
//! Nothing here decides anything, and nothing here may panic: a trap takes the worker's VM down.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unreachable
)]

mod audit;
mod companion;
mod config;
mod contexts;
mod exports;
mod follow;
mod host;
mod peer;
mod root;
mod stream;
mod telemetry;
mod world;
