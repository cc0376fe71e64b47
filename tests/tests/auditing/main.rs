//! Records on their way to a companion: real Envoys, with companions that behave and companions that do not. Each test counts: what
//! arrived, what was dropped, and what was asked.
//!
//! docs/records.md states the guarantees and names the test of each.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(unreachable_pub, reason = "nothing of a test is public")]

mod archive;
mod counts;
mod faults;
mod gate;
mod kept;
mod marks;
mod memory;
mod monitoring;
mod plot;
#[path = "../support/gate.rs"]
mod support;
mod trap;
#[path = "../following/trapping.rs"]
mod trapping;
