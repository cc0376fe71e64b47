//! What must hold of the engine for any input at all; each module is one fuzz target, and panics where something does not hold.
//!
//! `scripts/fuzz` builds the targets, feeds them and keeps what they find; docs/proof.md says what they have shown.

pub mod bundle;
pub mod certificate;
pub mod exchange;
mod fold;
pub mod json;
pub mod path;
mod policies;
pub mod scan;
pub mod spiffe;
pub mod sse;
pub mod url;

pub use policies::BUNDLES;
