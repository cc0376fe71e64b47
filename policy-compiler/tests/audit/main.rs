//! Records into the companion's store, and what becomes of them: every test on SQLite and on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "shared with the tests of the companion, which use all of it")]
#[path = "../companion/common.rs"]
mod common;
#[expect(dead_code, reason = "shared with the tests of the companion, which use all of it")]
#[path = "../companion/http.rs"]
mod http;

/// Runs a test on both databases: `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[test]
            fn sqlite() {
                super::$name(crate::setup::Kind::Sqlite);
            }
            #[test]
            fn postgres() {
                super::$name(crate::setup::Kind::Postgres);
            }
        })+
    };
}

mod columns;
mod counting;
mod faults;
mod handing_on;
mod hostile;
mod identity;
mod keeping;
mod reading;
mod sending;
mod setup;
mod tampering;
