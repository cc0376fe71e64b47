//! `push`, `pull` and `serve --registry` against a real registry, and against one that misbehaves.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "shared with the tests of the companion, which use all of it")]
#[path = "../companion/common.rs"]
mod common;
#[path = "../companion/http.rs"]
mod http;

mod access;
mod faults;
mod layouts;
mod proxy;
mod referrers;
mod registry;
mod serving;
mod signatures;
mod tokens;
