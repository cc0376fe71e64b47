//! Everything needed to run a Proxy-Wasm module in a real Envoy with real mutual TLS, on one machine.
//!
//! ```text
//!   client ──mTLS──► Envoy (127.0.0.1, ports chosen by the system) ──► upstream
//!   raw bytes         wasm module, then a buffer filter                 records, answers as told
//!      ▲                  ▲
//!      └──── pki: a CA per trust domain, X.509-SVIDs minted on the spot
//! ```
//!
//! The playground knows nothing of engine, policy or bundles: the module and its configuration are a path and a string.
//! Whatever is started here is stopped when its value is dropped, and Envoy also ends when this process is killed.
//!
//! Limits: a body is at most [`MAX_MESSAGE_BYTES`] in the client and the upstream; every wait has a deadline.

pub mod client;
pub mod companion;
pub mod envoy;
mod message;
pub mod pki;
pub mod postgres;
mod process;
pub mod upstream;

pub use message::{Body, Framing, Headers, Request, Response};

/// The largest body, in bytes, that the client accepts from Envoy and the upstream from Envoy: 64 MiB. It is larger than
/// any cap under test, so that the one who answers "too large" is never the playground.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;
