//! The pure core of Sallyport: what an HTTP exchange between agents asks for, and what policy says of it.
//!
//! ```text
//!  peer SANs ─► identity ─► agent ─┐
//!  head      ─► http     ─► route ─┼─► rules ─► Step (forward, hold, replace, reply)
//!  body      ─► json     ─► operation ─► scan ─┘        └─► Record (metadata only)
//! ```
//!
//! The entry points are [`bundle::decode`], which turns bytes into a [`Policy`], and [`Exchange`], a state machine over
//! `&Policy` that is fed a request head, a body and a response, and answers each with a [`Step`]. The crate is `no_std`: it
//! has no I/O, no clock, no randomness and no logging. Whoever drives it performs the steps and passes time and identity in.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
// A panic in the filter traps the VM and takes a worker down, so every way to panic is refused by the compiler.
#![deny(
    clippy::arithmetic_side_effects, // overflow panics under overflow-checks
    clippy::as_conversions,          // silent truncation
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]
#![cfg_attr(
    test,
    expect(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test may panic")
)]

extern crate alloc;

pub mod audit;
pub mod bundle;
mod bytes;
mod decide;
mod digest;
mod exchange;
mod fold;
pub mod glob;
pub mod http;
pub mod identity;
pub mod json;
mod operation;
pub mod policy;
mod reason;
mod record;
mod reply;
mod response;
pub mod scan;
mod sort;
pub mod subscription;
mod surroundings;

pub use decide::{Considered, Gap, Miss, Question, is_plain_path, is_tool_name};
pub use exchange::{Chunk, End, Exchange, HeadStep, HeaderEdit, Step};
pub use operation::is_plain_uri;
pub use policy::Policy;
pub use reason::Reason;
pub use record::{Direction, Driven, FindingRecord, Findings, Record, Verdict};
pub use reply::Reply;
pub use surroundings::{Nowhere, Spent, Surroundings};

/// The header that carries the caller's verified SPIFFE ID to the upstream. Client copies are always removed.
pub const IDENTITY_HEADER: &str = "x-workload-spiffe-id";

/// Every header that begins so is ours, and never passes from a client to an upstream.
pub const OWNED_PREFIX: &str = "x-sallyport-";
