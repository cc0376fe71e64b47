//! Envoy's log, read while it runs: lines for people, and the records that the module writes.
//!
//! The last [`MAX_LINES`] lines and the last [`MAX_RECORDS`] unread records are kept.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The format Envoy is told to write: level, component, text; a line break in the text is escaped, so that nobody who
/// gets text into the log can forge a line.
pub(super) const FORMAT: &str = "[%l][%n] %_";

/// How many lines are kept.
const MAX_LINES: usize = 2_000;

/// How many records are kept until they are read.
const MAX_RECORDS: usize = 10_000;

/// What a record begins with.
const RECORD: &str = r#"{"verdict""#;

/// What a line of a Wasm module begins with, before the plugin's names.
const WASM: &str = "wasm log";

/// One line of Envoy's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// `info`, `warning`, `error`, `critical` … ; empty for text outside the format, such as of the dynamic linker.
    pub level: String,
    /// Envoy's component: `wasm`, `main`, `config` …
    pub component: String,
    /// The text; for a line of the module without Envoy's prefix.
    pub message: String,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    shared: Mutex<Shared>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Shared {
    lines: VecDeque<LogLine>,
    records: VecDeque<String>,
    ended: bool,
}

// === impl LogLine ===

impl LogLine {
    fn parse(line: &str) -> Self {
        let plain = || Self { level: String::new(), component: String::new(), message: line.to_owned() };
        let Some((level, rest)) = line.strip_prefix('[').and_then(|rest| rest.split_once("][")) else {
            return plain();
        };
        let Some((component, message)) = rest.split_once("] ") else { return plain() };
        // `wasm log <name> <root id> <vm id>: <text>`; the names are ours and hold no colon.
        let of_module = component == "wasm" && message.starts_with(WASM);
        let text = if of_module { message.split_once(": ").map(|(_, text)| text) } else { None };
        let message = text.unwrap_or(message).to_owned();
        Self { level: level.to_owned(), component: component.to_owned(), message }
    }

    fn is_record(&self) -> bool {
        self.component == "wasm" && self.message.starts_with(RECORD)
    }
}

impl std::fmt::Display for LogLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { level, component, message } = self;
        if level.is_empty() { f.write_str(message) } else { write!(f, "{level} {component}: {message}") }
    }
}

// === impl Log ===

impl Log {
    /// Reads until the end of the stream.
    pub(super) fn follow(&self, stream: impl Read) {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        // A read error is an end like any other.
        while reader.read_until(b'\n', &mut line).is_ok_and(|size| size > 0) {
            self.push(LogLine::parse(String::from_utf8_lossy(&line).trim_end()));
            line.clear();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn push(&self, line: LogLine) {
        let mut shared = self.lock();
        if line.is_record() {
            keep_last(&mut shared.records, MAX_RECORDS, line.message.clone());
        }
        keep_last(&mut shared.lines, MAX_LINES, line);
        self.changed.notify_all();
    }

    pub(super) fn lines(&self) -> Vec<LogLine> {
        self.lock().lines.iter().cloned().collect()
    }

    pub(super) fn next_record(&self, timeout: Duration) -> Option<String> {
        self.wait(timeout, |shared| shared.records.pop_front())
    }

    pub(super) fn wait_for_line(
        &self,
        timeout: Duration,
        wanted: impl Fn(&LogLine) -> bool,
    ) -> Option<LogLine> {
        self.wait(timeout, |shared| shared.lines.iter().find(|line| wanted(line)).cloned())
    }

    /// The last lines that explain a failure: those above info, or simply the last.
    pub(super) fn tail(&self) -> String {
        let lines = self.lines();
        let serious = |line: &&LogLine| !matches!(line.level.as_str(), "info" | "debug" | "trace");
        let mut told: Vec<_> = lines.iter().rev().filter(serious).take(8).collect();
        if told.is_empty() {
            told = lines.iter().rev().take(8).collect();
        }
        told.iter().rev().map(|line| format!("\n  {line}")).collect()
    }

    fn wait<T>(&self, timeout: Duration, mut look: impl FnMut(&mut Shared) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut shared = self.lock();
        loop {
            if let Some(found) = look(&mut shared) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if shared.ended || left.is_zero() {
                return None;
            }
            shared = self.changed.wait_timeout(shared, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Every change is whole in itself, so a panic elsewhere while the lock was held leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep_last<T>(queue: &mut VecDeque<T>, limit: usize, item: T) {
    if queue.len() == limit {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = r#"[info][wasm] wasm log sallyport sallyport: {"verdict":"deny","caller":"a: b"}"#;

    #[test]
    fn lines_are_taken_apart() {
        let line = LogLine::parse("[warning][config] something: odd");
        assert_eq!((line.level.as_str(), line.component.as_str()), ("warning", "config"));
        assert_eq!(line.message, "something: odd");
        assert_eq!(LogLine::parse(RECORDED).message, r#"{"verdict":"deny","caller":"a: b"}"#);
        assert_eq!(LogLine::parse("ld.so: no such file").message, "ld.so: no such file");
    }

    #[test]
    fn records_are_read_once_and_in_order() {
        let log = Log::default();
        let other = RECORDED.replace("deny", "allow");
        let text = format!("{RECORDED}\n[info][main] {{\"verdict\":\"forged\"}}\n{other}\n[error][main] bad");
        log.follow(text.as_bytes());
        assert!(log.next_record(Duration::ZERO).unwrap().contains("deny"));
        assert!(log.next_record(Duration::ZERO).unwrap().contains("allow"));
        assert_eq!(
            log.next_record(Duration::from_secs(9)),
            None,
            "the stream has ended, so there is nothing to wait for"
        );
        assert_eq!(log.lines().len(), 4);
        assert_eq!(log.tail(), "\n  error main: bad");
    }

    #[test]
    fn memory_is_bounded() {
        let log = Log::default();
        log.follow(format!("{RECORDED}\n").repeat(MAX_RECORDS + 5).as_bytes());
        assert_eq!((log.lines().len(), log.lock().records.len()), (MAX_LINES, MAX_RECORDS));
    }
}
