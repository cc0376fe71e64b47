//! When the companion is asked again.

/// How long the companion may hold an answer back at most while nothing is new, in seconds (`Prefer: wait`, RFC 7240 section 4.3).
pub(super) const WAIT_SECONDS: u64 = 15;
/// What passes at most between an answer and the next call, the way there and back with it, in seconds.
pub(super) const BETWEEN_SECONDS: u64 = 2;
/// How long a call may take beside the time that the companion holds it back.
const OWN_MILLIS: u64 = 5000;
/// How long a call may take at most.
pub(super) const CALL_MILLIS: u64 = call_millis(WAIT_SECONDS);
/// The shortest time between two calls that both found something new, and that between others.
const QUICK_MILLIS: u64 = 100;
const STEADY_MILLIS: u64 = 1000;
/// The longest time between two calls: whoever has lost the answer to one does not wait for ever.
const LONGEST_MILLIS: u64 = CALL_MILLIS + QUICK_MILLIS;
/// The longest time between a call that failed and the next.
const SLOWEST_MILLIS: u64 = 15_000;
/// From the first failure's half a second, doubling leads beyond the slowest here.
const MOST_FAILURES: u32 = 6;

/// How long a call may take that the companion may hold back for so many seconds.
pub const fn call_millis(wait_seconds: u64) -> u64 {
    wait_seconds.saturating_mul(1000).saturating_add(OWN_MILLIS)
}

/// When to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// When the last call began.
    began: u64,
    /// When the next one is due.
    due: u64,
    /// How many failed in a row.
    failures: u32,
}

impl Pace {
    /// Whether it is time to ask. A clock that was set back does not put it off for longer than a call or a pause may last.
    pub fn is_due(&self, now: u64) -> bool {
        now >= self.due || self.due.saturating_sub(now) > LONGEST_MILLIS
    }

    /// A call begins.
    pub fn begin(&mut self, now: u64) {
        self.began = now;
        // Whoever loses the answer asks again.
        self.due = now.saturating_add(LONGEST_MILLIS);
    }

    /// The call brought something new, or said that nothing is. A companion that answers at once although nothing is new is not asked
    /// more often than about once a second.
    pub fn succeeded(&mut self, new: bool, chance: u64) {
        let pause = if new { QUICK_MILLIS } else { STEADY_MILLIS };
        self.failures = 0;
        self.due = self.began.saturating_add(spread(pause, chance));
    }

    /// The call brought nothing that can be used. Each failure in a row doubles the pause, up to a limit.
    pub fn failed(&mut self, now: u64, chance: u64) {
        self.failures = self.failures.saturating_add(1).min(MOST_FAILURES);
        let pause = (QUICK_MILLIS.saturating_mul(5) << self.failures.saturating_sub(1)).min(SLOWEST_MILLIS);
        self.due = now.saturating_add(spread(pause, chance));
    }
}

/// Half to the whole of a pause, by chance: proxies that lost their companion together do not come back together.
fn spread(pause: u64, chance: u64) -> u64 {
    let half = pause / 2;
    half.saturating_add(chance.checked_rem(half.saturating_add(1)).unwrap_or(0))
}
