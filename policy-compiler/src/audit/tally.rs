//! What the companion counts of records, for Prometheus and for collectors of OpenTelemetry alike.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::batch::Batch;
use super::record::Verdict;

/// The upper ends of the histogram of commits, in microseconds.
pub(crate) const BOUNDS: [u64; 11] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];
/// The most series of decisions: whatever proxies send, there are no more.
const MAX_SERIES: usize = 256;
/// What reasons are counted as that have no form of one, or for which there is no room.
const OTHER: &str = "other";
/// The longest reason that is a label, in bytes.
const MAX_REASON: usize = 64;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Recorded>);

/// What they say at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    /// Records that were stored, by verdict and reason.
    pub(crate) decided: BTreeMap<(Verdict, String), u64>,
    /// Bodies of records that were acknowledged.
    pub(crate) batches: u64,
    pub(crate) stored: u64,
    pub(crate) repeated: u64,
    pub(crate) retired: u64,
    /// Requests with records that were not acknowledged.
    pub(crate) refused: u64,
    pub(crate) commits: Commits,
    /// Of the whole store, when it was last looked; nothing before that.
    pub(crate) totals: Option<Totals>,
}

/// How long commits took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commits {
    /// How many took no longer than each of [`BOUNDS`], and longer than the one before; at last, all others.
    pub(crate) buckets: [u64; BOUNDS.len() + 1],
    pub(crate) micros: u64,
}

/// What a store says of all its proxies.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Totals {
    /// Chains of records: one for each proxy.
    pub(crate) proxies: u64,
    /// Numbers that never came.
    pub(crate) missing: u64,
    /// Records that proxies say they dropped.
    pub(crate) dropped: u64,
}

impl Tally {
    /// A batch is durable; these of its records are new.
    pub(crate) fn stored(&self, batch: &Batch, fresh: &[usize]) {
        self.change(|counts| {
            counts.batches += 1;
            counts.stored += fresh.len() as u64;
            counts.repeated += batch.len().saturating_sub(fresh.len()) as u64;
            for line in fresh.iter().filter_map(|at| batch.lines.get(*at)) {
                counts.decided(line.verdict, &line.reason);
            }
        });
    }

    /// A commit took this long.
    pub(crate) fn committed(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        self.change(|counts| {
            if let Some(bucket) = counts.commits.buckets.get_mut(at) {
                *bucket += 1;
            }
            counts.commits.micros = counts.commits.micros.saturating_add(micros);
        });
    }

    pub(crate) fn retired(&self, records: u64) {
        self.change(|counts| counts.retired += records);
    }

    pub(crate) fn refused(&self) {
        self.change(|counts| counts.refused += 1);
    }

    pub(crate) fn looked(&self, totals: Totals) {
        self.change(|counts| counts.totals = Some(totals));
    }

    pub(crate) fn counts(&self) -> Recorded {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Recorded)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Recorded {
    fn decided(&mut self, verdict: Verdict, reason: &str) {
        let key = (verdict, label(reason).to_owned());
        let key = if self.decided.len() < MAX_SERIES || self.decided.contains_key(&key) {
            key
        } else {
            (verdict, OTHER.to_owned())
        };
        *self.decided.entry(key).or_default() += 1;
    }
}

impl Commits {
    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long all of them took, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        Duration::from_micros(self.micros).as_secs_f64()
    }
}

/// A reason, if it has the form of one: nothing that needs an escape anywhere.
fn label(reason: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let sound = !reason.is_empty() && reason.len() <= MAX_REASON && reason.bytes().all(plain);
    if sound { reason } else { OTHER }
}

#[cfg(test)]
mod tests {
    use super::super::batch::{Epoch, Proxy};
    use super::*;

    fn batch(reasons: &[&str]) -> Batch {
        let line = |(at, reason): (usize, &&str)| {
            format!("{{\"seq\":{at},\"time\":5,\"verdict\":\"deny\",\"reason\":\"{reason}\"}}")
        };
        let body = reasons.iter().enumerate().map(line).collect::<Vec<_>>().join("\n");
        let proxy = Proxy::unverified("a").unwrap();
        Batch::parse(proxy, "a".to_owned(), Epoch([1; 16]), 0, 0, body.as_bytes()).unwrap()
    }

    #[test]
    fn only_what_is_new_is_counted_and_once() {
        let tally = Tally::default();
        tally.stored(&batch(&["scope.tool", "scope.path", "scope.tool"]), &[0, 2]);
        let counts = tally.counts();
        assert_eq!((counts.batches, counts.stored, counts.repeated), (1, 2, 1));
        assert_eq!(counts.decided, BTreeMap::from([((Verdict::Deny, "scope.tool".to_owned()), 2)]));
    }

    #[test]
    fn whatever_proxies_send_there_are_few_series_of_known_form() {
        let tally = Tally::default();
        let names: Vec<_> = (0..300).map(|number| format!("x.{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        tally.stored(&batch(&names), &(0..300).collect::<Vec<_>>());
        let odd = ["a b", "A", "a}", ""];
        tally.stored(&batch(&odd), &[0, 1, 2, 3]);
        let counts = tally.counts();
        assert_eq!((counts.decided.len(), counts.decided.values().sum()), (MAX_SERIES + 1, 304_u64));
        assert_eq!(counts.decided[&(Verdict::Deny, OTHER.to_owned())], 48);
    }

    #[test]
    fn a_commit_is_in_one_bucket() {
        let tally = Tally::default();
        for micros in [1, 500, 501, 6_000_000] {
            tally.committed(Duration::from_micros(micros));
        }
        let commits = tally.counts().commits;
        assert_eq!((commits.buckets[0], commits.buckets[1], commits.buckets[BOUNDS.len()]), (2, 1, 1));
        assert_eq!((commits.count(), commits.micros), (4, 6_001_002));
    }
}
