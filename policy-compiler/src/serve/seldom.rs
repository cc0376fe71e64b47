//! Log lines that whoever reaches the companion can cause. One a second is enough of each kind; metrics count them all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// When a kind of line was last written, in seconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Seldom(AtomicU64);

/// Every kind.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Somebody asked for a bundle that is not for it.
    pub(super) denied: Seldom,
    /// A filter refused what it was sent.
    pub(super) refused: Seldom,
    /// Records were not taken.
    pub(super) records: Seldom,
    /// A connection did not come to TLS.
    pub(super) handshakes: Seldom,
}

impl Seldom {
    /// Whether a line is to be written now.
    pub(super) fn tells(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.0.swap(now, Ordering::Relaxed) != now
    }
}

#[cfg(test)]
mod tests {
    use super::Seldom;

    #[test]
    fn whatever_is_sent_does_not_fill_the_log() {
        let seldom = Seldom::default();
        let told = (0..1000).filter(|_| seldom.tells()).count();
        assert!((1..=3).contains(&told), "{told}");
    }
}
