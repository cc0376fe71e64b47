//! What is kept: records leave at the old end, and the signed head says how many, so that the rest still verifies.

use std::time::Duration;

use super::chain::Signer;
use super::database::{Cells, Purpose, StoreError, Value, int};
use super::rows::Place;
use super::store::{Locked, Store};

/// The most records that one transaction retires, so that proxies do not wait long.
const STEP: u64 = 5_000;
/// How many transactions one look makes; the next look goes on.
const ROUNDS: usize = 200;
/// By how much the clock may differ from the time that went by before it counts as set.
const JUMP: Duration = Duration::from_secs(60);
/// How long nothing is retired by age after the clock was set.
const CAUTION: Duration = Duration::from_secs(3600);

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Keep {
    /// Records older than this are retired.
    pub(crate) age: Option<Duration>,
    /// When there are more bytes of records than this, the oldest are retired.
    pub(crate) bytes: Option<u64>,
}

/// Whether the clock can be trusted with deletions.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The time by the clock, and by a count that nobody sets, at the last look.
    last: Option<(Duration, Duration)>,
    /// Until when, by that count, nothing is retired by age.
    caution: Duration,
}

impl Clock {
    /// Notes both times; whether the clock was set since the last look.
    pub(crate) fn look(&mut self, wall: Duration, steady: Duration) -> bool {
        let jumped = self.last.is_some_and(|(was_wall, was_steady)| {
            let expected = was_wall + steady.saturating_sub(was_steady);
            wall.abs_diff(expected) > JUMP
        });
        self.last = Some((wall, steady));
        if jumped {
            self.caution = steady + CAUTION;
        }
        jumped
    }

    /// Whether records may be retired by age now.
    pub(crate) fn is_trusted(&self) -> bool {
        self.last.is_some_and(|(_, steady)| steady >= self.caution)
    }
}

impl Keep {
    /// Retires what need not be kept; how many records.
    pub(crate) fn apply(
        self,
        store: &mut Store,
        now: u64,
        trusted: bool,
        signer: &Signer,
    ) -> Result<u64, StoreError> {
        let mut retired = 0;
        if let Some(age) = self.age.filter(|_| trusted) {
            let cutoff = now.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            retired += by_age(store, cutoff, now, signer)?;
        }
        if let Some(most) = self.bytes {
            retired += by_size(store, most, now, signer)?;
        }
        Ok(retired)
    }
}

/// Of each chain, the oldest records, up to the first that is not so old. A record whose time is wrong takes no other with it.
fn by_age(store: &mut Store, cutoff: u64, now: u64, signer: &Signer) -> Result<u64, StoreError> {
    let statement = "SELECT DISTINCT chain FROM audit_records WHERE received < $1";
    let rows = store.database().query(statement, &[Value::Int(int(cutoff))])?;
    let old = rows.into_iter().map(|row| Cells::new(row).count()).collect::<Result<Vec<_>, _>>()?;
    let mut retired = 0;
    for chain in store.chains()?.into_iter().filter(|chain| old.contains(&chain.id)) {
        let statement =
            "SELECT COALESCE(MIN(place), 0) FROM audit_records WHERE chain = $1 AND received >= $2";
        let rows =
            store.database().query(statement, &[Value::Int(int(chain.id)), Value::Int(int(cutoff))])?;
        let first_kept = Cells::new(rows.into_iter().next().unwrap_or_default()).count()?;
        let extent = &chain.signed.extent;
        let mut left =
            if first_kept == 0 { extent.length } else { first_kept - 1 }.saturating_sub(extent.retired);
        while left > 0 {
            let step = left.min(STEP);
            retired += store.retire(&extent.proxy, step, now, signer)?;
            left -= step;
        }
    }
    Ok(retired)
}

/// The oldest of all, until there are few enough bytes.
fn by_size(store: &mut Store, most: u64, now: u64, signer: &Signer) -> Result<u64, StoreError> {
    let mut retired = 0;
    for _ in 0..ROUNDS {
        let chains = store.chains()?;
        let mut over = chains.iter().map(|chain| chain.bytes).sum::<u64>().saturating_sub(most);
        let mut counts = vec![0; chains.len()];
        for entry in store.after(Place::default())? {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(u64::try_from(entry.raw.len()).unwrap_or(u64::MAX));
            let at = chains.iter().position(|chain| chain.id == entry.place.chain);
            if let Some(count) = at.and_then(|at| counts.get_mut(at)) {
                *count += 1;
            }
        }
        let mut some = false;
        for (chain, count) in chains.iter().zip(counts).filter(|(_, count)| *count > 0) {
            retired += store.retire(&chain.signed.extent.proxy, count, now, signer)?;
            some = true;
        }
        if !some {
            break;
        }
    }
    Ok(retired)
}

impl Store {
    /// Retires so many records from the old end of a chain; how many that were.
    fn retire(
        &mut self,
        proxy: &super::batch::Proxy,
        count: u64,
        now: u64,
        signer: &Signer,
    ) -> Result<u64, StoreError> {
        self.within(Purpose::Write, |store| {
            // What somebody else changed stays as it is: `verify` is to find it.
            let Locked::Known(mut chain) = store.lock_chain(proxy, signer, 0)? else { return Ok(0) };
            let id = Value::Int(int(chain.id));
            let extent = &mut chain.signed.extent;
            let upto = extent.length.min(extent.retired + count);
            let place = Value::Int(int(upto));
            let statement = "SELECT hash FROM audit_records WHERE chain = $1 AND place = $2";
            let rows = store.database().query(statement, &[id, place])?;
            let Some(row) = rows.into_iter().next() else { return Ok(0) };
            extent.anchor = Cells::new(row).fixed()?;
            let retired = upto - extent.retired;
            extent.retired = upto;
            let statement =
                "SELECT COALESCE(SUM(LENGTH(raw)), 0) FROM audit_records WHERE chain = $1 AND place <= $2";
            let rows = store.database().query(statement, &[id, place])?;
            let bytes = Cells::new(rows.into_iter().next().unwrap_or_default()).count()?;
            chain.bytes = chain.bytes.saturating_sub(bytes);
            for statement in [
                "DELETE FROM audit_records WHERE chain = $1 AND place <= $2",
                "DELETE FROM audit_epochs WHERE chain = $1 AND place <= $2",
            ] {
                store.database().execute(statement, &[id, place])?;
            }
            store.save_chain(&chain, now, signer)?;
            Ok(retired)
        })
    }

    /// How many records of a chain are there.
    pub(super) fn count_of(&mut self, chain: u64) -> Result<u64, StoreError> {
        let statement = "SELECT COUNT(*) FROM audit_records WHERE chain = $1";
        let rows = self.database().query(statement, &[Value::Int(int(chain))])?;
        Cells::new(rows.into_iter().next().unwrap_or_default()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_not_trusted_for_an_hour() {
        let at = Duration::from_secs;
        let mut clock = Clock::default();
        assert!(!clock.is_trusted(), "before the first look");
        assert!(!clock.look(at(1_000_000), at(10)) && clock.is_trusted());
        assert!(!clock.look(at(1_000_030), at(20)) && clock.is_trusted(), "20 s are no jump");
        for wall in [at(90_000_000), at(5)] {
            assert!(clock.look(wall, at(30)) && !clock.is_trusted());
        }
        assert!(!clock.look(at(5 + 3599), at(30 + 3599)) && !clock.is_trusted());
        assert!(!clock.look(at(5 + 3600), at(30 + 3600)) && clock.is_trusted());
    }
}
