//! Gates that follow a companion: real Envoys, with companions that behave and companions that do not.
//!
//! docs/bundles.md states the guarantees and names the test of each.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(unreachable_pub, reason = "nothing of a test is public")]

mod faults;
mod gate;
mod keys;
mod scripted;
mod served;
mod start;
#[path = "../support/gate.rs"]
mod support;
mod swaps;
mod trap;
mod trapping;
