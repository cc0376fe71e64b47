//! What the upstream saw, shared between its thread and the test that asks.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Answer;
use crate::Headers;

/// How many requests are remembered; older ones are forgotten.
pub const MAX_SEEN: usize = 1024;

/// How many faults are remembered.
const MAX_FAULTS: usize = 64;

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The target as it came: path and query, or the absolute form.
    pub target: String,
    /// `Host` or `:authority`.
    pub authority: Option<String>,
    /// Whether it came over HTTP/2.
    pub http2: bool,
    /// Header fields with raw values, names in lower case; repeats keep their order and stand together. Without
    /// `:authority` of HTTP/2; with `host` of HTTP/1.1.
    pub headers: Headers,
    /// The body so far.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: Headers,
    /// Whether the request came to its end: false while it is under way, and for ever when the peer cut it off.
    pub complete: bool,
}

#[derive(Debug)]
pub(super) struct Record {
    shared: Mutex<Shared>,
    changed: Condvar,
}

#[derive(Debug)]
struct Shared {
    answer: Answer,
    seen: VecDeque<(u64, Seen)>,
    next: u64,
    faults: VecDeque<String>,
}

// === impl Record ===

impl Record {
    pub(super) fn new(answer: Answer) -> Self {
        let shared = Shared { answer, seen: VecDeque::new(), next: 0, faults: VecDeque::new() };
        Self { shared: Mutex::new(shared), changed: Condvar::new() }
    }

    pub(super) fn answer(&self) -> Answer {
        self.lock().answer.clone()
    }

    pub(super) fn set_answer(&self, answer: Answer) {
        self.lock().answer = answer;
    }

    /// A request has begun; the number names it in [`update`](Self::update).
    pub(super) fn begin(&self, seen: Seen) -> u64 {
        let mut shared = self.lock();
        let number = shared.next;
        shared.next = number.wrapping_add(1);
        if shared.seen.len() == MAX_SEEN {
            shared.seen.pop_front();
        }
        shared.seen.push_back((number, seen));
        self.changed.notify_all();
        number
    }

    /// Changes a request that is still remembered.
    pub(super) fn update(&self, number: u64, change: impl FnOnce(&mut Seen)) {
        let mut shared = self.lock();
        if let Some((_, seen)) = shared.seen.iter_mut().rev().find(|(candidate, _)| *candidate == number) {
            change(seen);
        }
        self.changed.notify_all();
    }

    pub(super) fn take(&self) -> Vec<Seen> {
        self.lock().seen.drain(..).map(|(_, seen)| seen).collect()
    }

    pub(super) fn wait_for(&self, count: usize, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut shared = self.lock();
        loop {
            if shared.seen.iter().filter(|(_, seen)| seen.complete).count() >= count {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            shared = self.changed.wait_timeout(shared, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn fault(&self, what: String) {
        let mut shared = self.lock();
        if shared.faults.len() < MAX_FAULTS {
            shared.faults.push_back(what);
        }
    }

    pub(super) fn take_faults(&self) -> Vec<String> {
        self.lock().faults.drain(..).collect()
    }

    /// Every change is whole in itself, so a panic elsewhere while the lock was held leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
