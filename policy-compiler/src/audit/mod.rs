//! Audit: the records that proxies send, kept so that what was removed or altered is found out ([docs/audit.md](../../../docs/audit.md)).
//!
//! ```text
//!  body ─► batch (parsed, bounded) ─► writer (thread, group commit) ─► store ─► database: sqlite | postgres
//!                                                                       │ chain (hashes, signed heads)
//!            verify, query, tail, export ◄──────── pages ◄──────────────┤
//!            exporter (thread: file, OTLP logs) ◄─────────────────────┤
//!            totals (thread: gauges, OTLP metrics) ◄───────────────────┘
//! ```
//!
//! The store's rules are written once, over [`Database`]; the two databases only run statements.

mod batch;
mod chain;
mod database;
pub(crate) mod exporter;
mod filter;
mod otlp;
mod otlp_metrics;
mod parquet;
mod postgres;
mod postgres_tls;
pub(crate) mod print;
mod record;
mod retention;
mod rows;
mod sqlite;
mod store;
mod tail;
mod tally;
pub(crate) mod totals;
mod verify;
mod writer;

pub(crate) use batch::{Batch, BatchError, Epoch, MAX_BODY, Proxy};
pub(crate) use chain::{Head, Signed};
pub(crate) use database::StoreError;
pub(crate) use filter::{Filter, Found};
pub(crate) use parquet::Parquet;
pub(crate) use record::{FIELDS, Field, Kind, Record, Verdict};
pub(crate) use retention::Keep;
pub(crate) use store::{Outcome, Store};
pub(crate) use tail::Tail;
pub(crate) use tally::{BOUNDS, Recorded, Tally};
pub(crate) use verify::{Checked, Report, Together, verify};
pub(crate) use writer::{Answer, Settings, Told, Writer};
