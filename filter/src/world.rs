//! The world around an exchange: the proxy's clock, and counters in the data that all its workers share.

use crate::audit::Queue;
use crate::host::{self, HostError};
use sallyport_engine::policy::{Audit, Limit};
use sallyport_engine::{Spent, Surroundings};
use std::cell::Cell;
use std::rc::Rc;

/// What the keys of counters in shared data begin with.
const COUNTERS: &str = "sallyport.limit\n";
/// How often a counter is tried again when another worker was faster.
const TRIES: u32 = 16;

/// The proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    /// When the companion last said that the policy holds, in seconds since 1970; 0 if it never did. Nothing without a companion.
    pub(crate) confirmed: Option<Rc<Cell<u64>>>,
    /// Where the clock stands still, in seconds since 1970. Only for tests of policy that speaks of time.
    pub(crate) clock: Option<u64>,
    /// Where records go. Nowhere without a companion.
    pub(crate) queue: Option<Rc<Queue>>,
}

impl World {
    /// Counts one request; `None` if another worker counted in between.
    fn try_spend(key: &str, limit: Limit, now: u64) -> Option<Spent> {
        let (kept, version) = match host::shared(key) {
            Ok((kept, version)) => (Some(kept), version),
            Err(HostError::NOT_FOUND) => (None, 0),
            Err(_) => return Some(Spent::Unknown),
        };
        let Some(counted) = limit.spend(kept.as_deref(), now) else { return Some(Spent::Over) };
        match host::set_shared(key, &counted, version) {
            Ok(()) => Some(Spent::Within),
            Err(HostError::CAS_MISMATCH) => None,
            Err(_) => Some(Spent::Unknown),
        }
    }
}

impl Surroundings for World {
    fn unix_time(&self) -> Option<u64> {
        self.clock.or_else(|| host::unix_seconds().ok())
    }

    fn policy_age(&self) -> Option<u64> {
        let confirmed = self.confirmed.as_ref()?.get();
        // Without a clock nobody can say how old it is: too old, then. Nor where it was confirmed in what is now the future: then the clock
        // was wrong, or is.
        Some(self.unix_time().map_or(u64::MAX, |now| now.abs_diff(confirmed)))
    }

    fn nonce(&self) -> u64 {
        let nanos = |seconds: u64| seconds.saturating_mul(1_000_000_000);
        self.clock.map(nanos).or_else(|| host::unix_nanos().ok()).unwrap_or_default()
    }

    fn reserve_record(&self, audit: &Audit) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.reserve(audit))
    }

    fn spend(&self, counter: &str, limit: Limit) -> Spent {
        let Some(now) = self.unix_time() else { return Spent::Unknown };
        let key = format!("{COUNTERS}{counter}");
        (0..TRIES).find_map(|_| Self::try_spend(&key, limit, now)).unwrap_or(Spent::Unknown)
    }
}
