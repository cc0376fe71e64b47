//! What imports work on: the host's side of one VM.

use std::collections::BTreeMap;

use wasmtime::{Memory, TypedFunc};

use super::metrics::Metrics;
use super::shared::Shared;
use super::stream::Stream;

/// A line that the guest logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How loud.
    pub level: Level,
    /// What.
    pub message: String,
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

/// Who the guest is.
#[derive(Debug)]
pub(super) struct Plugin {
    pub(super) name: String,
    pub(super) root_id: String,
    pub(super) configuration: Vec<u8>,
    /// The configuration is there during `proxy_on_configure` only.
    pub(super) configuring: bool,
}

/// The host's side of one VM.
pub(super) struct Host {
    pub(super) plugin: Plugin,
    pub(super) memory: Option<Memory>,
    pub(super) allocate: Option<TypedFunc<u32, u32>>,
    pub(super) log: Vec<LogLine>,
    pub(super) metrics: Metrics,
    pub(super) shared: Shared,
    /// 0: no ticks.
    pub(super) tick_period_ms: u32,
    /// Stream contexts by id; the root context has none of this.
    pub(super) streams: BTreeMap<u32, Stream>,
    /// The context of the callback that runs.
    pub(super) current: u32,
}

impl Host {
    /// The stream of the running callback; `None` in callbacks of the root context.
    pub(super) fn stream(&self) -> Option<&Stream> {
        self.streams.get(&self.current)
    }

    pub(super) fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.streams.get_mut(&self.current)
    }
}

impl Level {
    pub(super) fn from_number(number: u32) -> Option<Self> {
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Critical]
            .get(number as usize)
            .copied()
    }
}
