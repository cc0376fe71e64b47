//! Following a companion: which bundle takes the place of which, who of a proxy's workers asks, and when.
//!
//! ```text
//!  pace    when to ask again
//!  lease   which of the workers asks
//!  answer  what the companion said
//!  notice  what the worker that asked tells the others
//! ```
//!
//! Nothing here asks, waits or stores: the filter does, and hands in what came of it. Times are milliseconds since 1970 unless they
//! are said to be seconds.

mod answer;
mod lease;
mod notice;
mod pace;

pub use answer::{Answer, FetchError, MAX_TAG_LEN};
pub use lease::{LEASE_MILLIS, Lease};
pub use notice::Notice;
pub use pace::{Pace, call_millis};

use crate::bundle::{Active, Bundle, BundleError, Change, Trust};
use crate::policy::Policy;
use alloc::vec::Vec;
use pace::{BETWEEN_SECONDS, WAIT_SECONDS};

/// What one worker enforces, and whom it takes more from.
#[derive(Debug, Default)]
pub struct Subscription {
    trust: Trust,
    active: Option<Active>,
    /// After how many seconds without a word of the companion what is in force is stale, if it ever is.
    stale_after: Option<u32>,
}

impl Subscription {
    /// Begins without a policy.
    pub fn new(trust: Trust) -> Self {
        Self { trust, active: None, stale_after: None }
    }

    /// What is in force, if anything is.
    pub fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }

    /// What the proxy has, where that is newer than what is in force here: told by a notice, and believed only of a bundle that the keys
    /// vouch for. Whoever can write to the memory that they share, or held a key that is retired since, could keep every policy out else.
    pub fn floor(&self, notice: &Notice, shared: impl FnOnce() -> Option<Vec<u8>>) -> Option<Active> {
        let shared = Some(()).filter(|()| self.is_behind(notice)).and_then(|()| shared())?;
        let bundle = Bundle::read(&shared).ok()?;
        let ahead = self.active.as_ref().is_none_or(|active| active.serial < bundle.serial());
        (ahead && self.trust.check_origin(&bundle).is_ok()).then(|| Active::of(&bundle))
    }

    /// Takes a bundle if it verifies and is not older than what is in force here or, by the `floor`, in the proxy. `None` if it is
    /// what is in force already. `now` is in seconds.
    pub fn take(
        &mut self,
        bytes: &[u8],
        floor: Option<&Active>,
        now: Option<u64>,
    ) -> Result<Option<Policy>, BundleError> {
        let bundle = Bundle::read(bytes)?;
        if let Some(floor) = floor {
            // A worker that is new may be told what the others enforce: that is not "nothing new" to it.
            self.trust.accept(Some(floor), &bundle, now)?;
        }
        if self.trust.accept(self.active.as_ref(), &bundle, now)? == Change::Nothing {
            return Ok(None);
        }
        let policy = bundle.policy()?;
        self.active = Some(Active::of(&bundle));
        self.stale_after = policy.parts().settings.staleness.map(|staleness| staleness.after);
        Ok(Some(policy))
    }

    /// How long the companion may hold an answer back while nothing is new, in seconds: so long that what is in force is confirmed twice
    /// before it is stale.
    pub fn wait_seconds(&self) -> u64 {
        let half = self.stale_after.map_or(u64::MAX, |after| u64::from(after) / 2);
        half.saturating_sub(BETWEEN_SECONDS).min(WAIT_SECONDS)
    }

    /// Whether the proxy has a bundle that is newer than what is in force here.
    pub fn is_behind(&self, notice: &Notice) -> bool {
        self.active.as_ref().is_none_or(|active| active.serial < notice.active().serial)
    }

    /// Whether the notice tells of what is in force here.
    pub fn is_told_by(&self, notice: &Notice) -> bool {
        self.active.as_ref() == Some(notice.active())
    }
}

#[cfg(test)]
mod tests;
