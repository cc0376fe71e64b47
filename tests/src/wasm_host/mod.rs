//! A Proxy-Wasm 0.2.1 host on wasmtime that behaves as Envoy 1.40 does.
//!
//! ```text
//!  HttpExchange ──► exchange ──callbacks──► guest ──imports──► stream, body, header_map, properties, metrics, shared
//!                      │                                          │
//!                      ▼                                          ▼
//!                 Observation: what the upstream got, what the client got, log, record
//! ```
//!
//! Where it matters to a filter (which maps can be read when, what a body callback shows, what follows a local reply, which
//! status an impossible call gets) the behaviour was compared with a real Envoy 1.40 and V8, call by call. The filter chain is
//! the documented one: the module, then Envoy's `buffer` filter, then the upstream.
//!
//! Limits, on purpose: one exchange at a time; no callouts (there are no clusters: `BadArgument`), no gRPC calls, no foreign
//! functions; a Pause that only a callout or a tick could end is reported as [`HostError::Stalled`].

mod abi;
mod body;
mod error;
mod exchange;
mod exports;
mod header_map;
mod host;
mod identity;
mod imports;
mod ingress;
mod memory;
mod message;
mod metrics;
mod module;
mod properties;
mod reply;
mod shared;
mod stream;
mod vm;
mod way;

#[cfg(test)]
mod tests;

pub use error::HostError;
pub use header_map::HeaderMap;
pub use host::{Level, LogLine};
pub use identity::{Identities, Peer};
pub use ingress::{ClientRequest, admit};
pub use message::{BodyEnd, Cost, Delivered, HttpExchange, Message, Observation, Refusal};
pub use metrics::Metric;
pub use module::Module;
pub use shared::Shared;
pub use vm::{Options, Vm};
