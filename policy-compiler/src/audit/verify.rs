//! Whether the store is as it was written: the first thing that is wrong with each chain, and where.

use std::collections::BTreeMap;
use std::fmt;

use sallyport_engine::bundle::PublicKey;

use super::batch::{Epoch, Proxy};
use super::chain::{self, Hash, Signed};
use super::database::{Purpose, StoreError};
use super::record::Record;
use super::rows::{Chain, Entry, Queue};
use super::store::Store;

/// What was found.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) chains: Vec<Checked>,
    /// What is wrong with no chain that is there.
    pub(crate) wrong: Vec<(Proxy, Wrong)>,
    /// What is wrong with the chains together.
    pub(crate) together: Option<Together>,
    /// How many records belong to no chain.
    pub(crate) stray: u64,
}

/// One chain.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) signed: Signed,
    /// How many records are kept and are as they were.
    pub(crate) good: u64,
    /// How many numbers of its queues never came, and how many the proxy says that it dropped.
    pub(crate) missing: u64,
    pub(crate) dropped: u64,
    pub(crate) wrong: Option<Wrong>,
}

/// What is wrong. Places count from one, in the order in which records came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Wrong {
    /// No key that is trusted signed the chain's head.
    Unsigned,
    /// The chain begins with another hash than its proxy's name gives.
    Start,
    /// Records are not there.
    Removed(u64, u64),
    /// A record is not what was received, or stands in another's place.
    Altered(u64, Epoch, u64),
    /// The newest records are not there.
    CutOff(u64, u64),
    /// There are records behind the head.
    Beyond(u64),
    /// The hash of the newest record is not the one that was signed: everything was hashed anew.
    Rewritten,
    /// What was written down of a queue does not agree with its records.
    Miscounted(Epoch),
    /// An exported head tells of another record at its place.
    Contradicted(u64),
    /// An exported head is not signed by a key that is trusted.
    Forged(u64),
    /// An exported head tells of a chain that is not there.
    Gone(u64),
    /// So many records have the chain's number, and a place that no record has.
    Placeless(u64),
}

/// What is wrong with the chains together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Together {
    /// Nobody who is trusted signed how many there are.
    Unsigned,
    /// So many were begun, and so many are there.
    Number(u64, u64),
}

impl Report {
    /// Whether all is as it was written.
    pub(crate) fn is_good(&self) -> bool {
        self.wrong.is_empty()
            && self.together.is_none()
            && self.stray == 0
            && self.chains.iter().all(|chain| chain.wrong.is_none())
    }
}

/// Checks everything, against keys that may have signed it and heads that were exported before.
pub(crate) fn verify(
    store: &mut Store,
    trusted: &[PublicKey],
    exported: &[Signed],
) -> Result<Report, StoreError> {
    let mut heads: BTreeMap<&Proxy, Vec<&Signed>> = BTreeMap::new();
    for head in exported {
        heads.entry(&head.extent.proxy).or_default().push(head);
    }
    store.within(Purpose::Read, |store| {
        let mut report = Report { chains: Vec::new(), wrong: Vec::new(), together: None, stray: 0 };
        let mut seen = 0;
        for chain in store.chains()? {
            let heads = heads.remove(&chain.signed.extent.proxy).unwrap_or_default();
            let mut walk = Walk::new(&chain, &heads);
            let wrong = walk.all(store, trusted)?;
            let queues = store.queues(chain.id)?;
            let wrong = wrong.or_else(|| walk.miscounted(&queues));
            let kept = store.count_of(chain.id)?;
            let placeless = kept.saturating_sub(walk.good);
            let wrong = wrong.or_else(|| (placeless > 0).then_some(Wrong::Placeless(placeless)));
            // A proxy can claim any number.
            let sum = |of: fn(&Queue) -> u64| queues.iter().map(of).fold(0, u64::saturating_add);
            let (missing, dropped) = (sum(Queue::missing), sum(|queue| queue.dropped));
            seen += kept;
            report.chains.push(Checked { good: walk.good, missing, dropped, wrong, signed: chain.signed });
        }
        for (proxy, heads) in heads {
            let longest = heads.iter().map(|head| head.extent.length).max().unwrap_or(0);
            report.wrong.push((proxy.clone(), Wrong::Gone(longest)));
        }
        report.together = together(store, trusted, report.chains.len())?;
        report.stray = store.count()?.saturating_sub(seen);
        Ok(report)
    })
}

/// Whether as many chains are there as were begun.
fn together(store: &mut Store, trusted: &[PublicKey], found: usize) -> Result<Option<Together>, StoreError> {
    let number = store.number("")?;
    let found = u64::try_from(found).unwrap_or(u64::MAX);
    Ok(if !number.verifies(trusted) {
        Some(Together::Unsigned)
    } else {
        (number.chains != found).then_some(Together::Number(number.chains, found))
    })
}

/// A walk along a chain, from its old end.
struct Walk<'w> {
    chain: &'w Chain,
    /// Heads that were exported, by how many records they tell of.
    heads: BTreeMap<u64, Vec<&'w Signed>>,
    place: u64,
    hash: Hash,
    good: u64,
    /// What the records that are kept say of their queues.
    counted: BTreeMap<Epoch, Counted>,
}

/// The numbers of a queue's records, how many there are, and the place of the newest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Counted {
    lowest: u64,
    highest: u64,
    stored: u64,
    place: u64,
}

impl<'w> Walk<'w> {
    fn new(chain: &'w Chain, exported: &[&'w Signed]) -> Self {
        let mut heads: BTreeMap<u64, Vec<&Signed>> = BTreeMap::new();
        for head in exported {
            heads.entry(head.extent.length).or_default().push(head);
        }
        let extent = &chain.signed.extent;
        Self { chain, heads, place: extent.retired, hash: extent.anchor, good: 0, counted: BTreeMap::new() }
    }

    fn all(&mut self, store: &mut Store, trusted: &[PublicKey]) -> Result<Option<Wrong>, StoreError> {
        let extent = &self.chain.signed.extent;
        if !self.chain.signed.verifies(trusted) {
            return Ok(Some(Wrong::Unsigned));
        }
        if extent.retired == 0 && extent.anchor != chain::start(&extent.proxy) {
            return Ok(Some(Wrong::Start));
        }
        let forged = self.heads.values().flatten().find(|head| !head.verifies(trusted));
        if let Some(head) = forged {
            return Ok(Some(Wrong::Forged(head.extent.length)));
        }
        // What is told of records that were retired since can no longer be seen.
        self.heads = self.heads.split_off(&extent.retired);
        if let Some(wrong) = self.contradicted() {
            return Ok(Some(wrong));
        }
        // The oldest that is there, also where nothing should be.
        let mut after = 0;
        loop {
            let page = store.of_chain(self.chain.id, after)?;
            let Some(last) = page.last() else { break };
            after = last.place.place;
            if let Some(wrong) = page.iter().find_map(|entry| self.step(entry)) {
                return Ok(Some(wrong));
            }
        }
        Ok(self.end())
    }

    fn step(&mut self, entry: &Entry) -> Option<Wrong> {
        let extent = &self.chain.signed.extent;
        let at = entry.place.place;
        if at > extent.length || at <= extent.retired {
            return Some(Wrong::Beyond(at));
        }
        if at != self.place + 1 {
            return Some(Wrong::Removed(self.place + 1, at - 1));
        }
        let raw = entry.raw.as_bytes();
        let hash = chain::next(&self.hash, &extent.proxy, entry.epoch, entry.seq, entry.place.received, raw);
        let record = Record::parse(&entry.raw).map(|record| (record.seq, record.time));
        if hash != entry.hash || record != Some((entry.seq, entry.time)) {
            return Some(Wrong::Altered(at, entry.epoch, entry.seq));
        }
        (self.place, self.hash) = (at, hash);
        if let Some(wrong) = self.contradicted() {
            return Some(wrong);
        }
        self.good += 1;
        let first = Counted { lowest: entry.seq, highest: entry.seq, stored: 0, place: at };
        let of = self.counted.entry(entry.epoch).or_insert(first);
        (of.lowest, of.highest) = (of.lowest.min(entry.seq), of.highest.max(entry.seq));
        (of.stored, of.place) = (of.stored + 1, at);
        None
    }

    /// How many numbers never came is told by rows that nobody signs: they must be what the records say. Of records that were retired they alone
    /// tell, so there they can only be held to those that are kept.
    fn miscounted(&self, queues: &[Queue]) -> Option<Wrong> {
        let whole = self.chain.signed.extent.retired == 0;
        let agrees = |queue: &Queue| {
            let &Queue { lowest, highest, stored, place, .. } = queue;
            let Some(kept) = self.counted.get(&queue.epoch) else { return false };
            let could = lowest <= kept.lowest && highest >= kept.highest && stored >= kept.stored;
            could && place == kept.place && (!whole || Counted { lowest, highest, stored, place } == *kept)
        };
        let told = |epoch: &&Epoch| queues.iter().any(|queue| queue.epoch == **epoch);
        let wrong = queues.iter().find(|queue| !agrees(queue)).map(|queue| queue.epoch);
        wrong.or_else(|| self.counted.keys().find(|epoch| !told(epoch)).copied()).map(Wrong::Miscounted)
    }

    /// Whether a head that was exported at this place tells of something else.
    fn contradicted(&self) -> Option<Wrong> {
        let here = self.heads.get(&self.place)?;
        here.iter().any(|head| head.extent.hash != self.hash).then_some(Wrong::Contradicted(self.place))
    }

    fn end(&self) -> Option<Wrong> {
        let extent = &self.chain.signed.extent;
        let told = self.heads.keys().next_back().copied().unwrap_or(0);
        let length = extent.length.max(told);
        if self.place < length {
            return Some(Wrong::CutOff(self.place + 1, length));
        }
        (self.hash != extent.hash).then_some(Wrong::Rewritten)
    }
}

impl fmt::Display for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("no key given here signed how many chains there are"),
            Self::Number(begun, found) => {
                write!(
                    f,
                    "{begun} chains were begun and {found} are there: whole chains were removed, or put in"
                )
            }
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => {
                f.write_str("no key given here signed its head: name the companion's public key with `--key`")
            }
            Self::Start => f.write_str("it does not begin where a chain of this proxy begins"),
            Self::Removed(from, to) if from == to => write!(f, "record {from} was removed"),
            Self::Removed(from, to) => write!(f, "records {from} to {to} were removed"),
            Self::Altered(place, epoch, seq) => {
                write!(
                    f,
                    "record {place} (epoch {epoch}, seq {seq}) was altered, or stands in another's place"
                )
            }
            Self::CutOff(from, to) if from == to => write!(f, "record {from}, the newest, was removed"),
            Self::CutOff(from, to) => write!(f, "records {from} to {to}, the newest, were removed"),
            Self::Beyond(place) => {
                write!(f, "record {place} was put in: the signed head does not know of it")
            }
            Self::Rewritten => {
                f.write_str("its records were hashed anew: the newest hash is not the one that was signed")
            }
            Self::Miscounted(epoch) => write!(
                f,
                "what was written down of epoch {epoch} is not what its records say: how many never came can not be told"
            ),
            Self::Contradicted(place) => {
                write!(f, "up to record {place} it is not what the exported head tells of")
            }
            Self::Forged(place) => {
                write!(f, "the exported head of {place} records is not signed by a key given here")
            }
            Self::Placeless(count) => {
                write!(f, "{count} records were put in at places that no record of it has")
            }
            Self::Gone(length) => {
                write!(f, "the whole chain is gone: an exported head tells of {length} records")
            }
        }
    }
}
