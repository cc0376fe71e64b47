//! The tools around policy, as the program shows them: what they print where, and with which code they exit.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod common;
mod diff;
mod explain;
mod init;
mod json;
mod replay;
mod shell;
mod signing;
mod testing;
