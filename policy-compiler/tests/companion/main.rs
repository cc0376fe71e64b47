//! The companion as a process of its own, asked over loopback.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bundles;
mod common;
mod durability;
mod fleet;
mod http;
mod limits;
mod polling;
mod publishing;
mod tls;
