//! The store's rules: what is appended when, what is a repetition, what is refused, how it is read.

use std::collections::BTreeMap;

use super::batch::{Batch, Epoch, Line, Proxy};
use super::chain::{self, Extent, Number, Signer};
use super::database::{Cells, Database, Purpose, StoreError, Value, damaged, int};
use super::rows::{
    CHAIN, CHAINS, Chain, ENTRY, Entry, Place, QUEUE, Queue, Row, VERSION, chain_of, entry_of, make_tables,
    queue_of,
};

/// The most chains. Where nobody shows certificates, anybody can begin one.
const MAX_CHAINS: u64 = 20_000;
/// The most rows that are read at once.
pub(crate) const PAGE: usize = 500;
/// Records, over some database.
pub(crate) struct Store {
    database: Box<dyn Database>,
}

/// What became of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// All of it is durable; these of its records were new.
    Stored(Vec<usize>),
    /// A record of this number is there with other bytes, and nothing of the batch was stored.
    Conflict(u64),
    /// There is no room for the chain of another proxy.
    TooManyProxies,
    /// What it would continue is signed by nobody whose signatures are continued.
    Foreign,
}

/// A chain for one transaction alone.
pub(super) enum Locked {
    /// It was there.
    Known(Chain),
    /// It was begun just now.
    Begun(Chain),
    /// There is none, and no room for one.
    NoRoom,
    /// It, or the number of chains, is signed by nobody whose signatures are continued.
    Foreign,
}

/// Chains and queues that a transaction has locked and changed.
#[derive(Default)]
struct Touched {
    chains: BTreeMap<Proxy, Chain>,
    queues: BTreeMap<(u64, Epoch), Queue>,
    /// How many of the chains are new.
    begun: u64,
}

impl Store {
    /// A store whose tables are there.
    pub(crate) fn open(mut database: Box<dyn Database>) -> Result<Self, StoreError> {
        let rows = database.query("SELECT value FROM audit_meta WHERE name = $1", &[Value::Text("version")]);
        let found = rows.map_err(|why| StoreError::new(format!("there is no audit store: {why}")))?;
        let version = found.into_iter().next().map(|row| Cells::new(row).text()).transpose()?;
        if version.as_deref() != Some(VERSION) {
            return Err(StoreError::new("the audit store was written by another version"));
        }
        Ok(Self { database })
    }

    /// A store; its tables are made if they are not there.
    pub(crate) fn create(mut database: Box<dyn Database>) -> Result<Self, StoreError> {
        database.begin(Purpose::Write)?;
        let made = make_tables(&mut *database);
        match made.and_then(|()| database.commit()) {
            Ok(()) => Self::open(database),
            Err(why) => {
                database.rollback();
                Err(why)
            }
        }
    }

    /// Does something in one transaction.
    pub(crate) fn within<T>(
        &mut self,
        purpose: Purpose,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.begin(purpose)?;
        let done = work(self).and_then(|done| self.database.commit().map(|()| done));
        if done.is_err() {
            self.database.rollback();
        }
        done
    }

    /// Appends batches, all in one transaction; when this returns, what it says is stored is on the disk.
    pub(crate) fn append(
        &mut self,
        batches: &[&Batch],
        now: u64,
        signer: &Signer,
    ) -> Result<Vec<Outcome>, StoreError> {
        // Always in this order, so that replicas which lock several chains do not wait for one another.
        let mut order: Vec<usize> = (0..batches.len()).collect();
        order.sort_by_key(|at| batches.get(*at).map(|batch| &batch.proxy));
        self.within(Purpose::Write, |store| {
            let mut outcomes = vec![Outcome::Stored(Vec::new()); batches.len()];
            let mut touched = Touched::default();
            for at in order {
                if let (Some(batch), Some(outcome)) = (batches.get(at), outcomes.get_mut(at)) {
                    *outcome = store.append_one(batch, now, signer, &mut touched)?;
                }
            }
            store.save(&touched, now, signer)?;
            Ok(outcomes)
        })
    }

    fn append_one(
        &mut self,
        batch: &Batch,
        now: u64,
        signer: &Signer,
        touched: &mut Touched,
    ) -> Result<Outcome, StoreError> {
        let locked = match touched.chains.get(&batch.proxy) {
            Some(chain) => Locked::Known(chain.clone()),
            None => self.lock_chain(&batch.proxy, signer, touched.begun)?,
        };
        let (chain, begun) = match locked {
            Locked::Known(chain) => (chain, 0),
            Locked::Begun(chain) => (chain, 1),
            Locked::NoRoom => return Ok(Outcome::TooManyProxies),
            Locked::Foreign => return Ok(Outcome::Foreign),
        };
        touched.begun += begun;
        let queue = match touched.queues.get(&(chain.id, batch.epoch)) {
            Some(queue) => Some(queue.clone()),
            None => self.queue(chain.id, batch.epoch)?,
        };
        let (mut fresh, mut places) = (Vec::with_capacity(batch.lines.len()), Vec::new());
        for (at, line) in batch.lines.iter().enumerate() {
            let known = queue.as_ref().is_some_and(|queue| line.seq <= queue.highest);
            match if known { self.kept(chain.id, batch.epoch, line.seq)? } else { None } {
                None => {
                    fresh.push(line);
                    places.push(at);
                }
                Some(raw) if raw == line.raw.as_bytes() => {}
                Some(_) => return Ok(Outcome::Conflict(line.seq)),
            }
        }
        let (chain, queue) = self.extend(chain, queue, batch, &fresh, now)?;
        touched.queues.insert((chain.id, batch.epoch), queue);
        touched.chains.insert(batch.proxy.clone(), chain);
        Ok(Outcome::Stored(places))
    }

    /// Puts new records behind a chain.
    fn extend(
        &mut self,
        mut chain: Chain,
        queue: Option<Queue>,
        batch: &Batch,
        fresh: &[&Line],
        now: u64,
    ) -> Result<(Chain, Queue), StoreError> {
        let first = batch.lines.first().map_or(0, |line| line.seq);
        let mut queue = queue.unwrap_or_else(|| Queue {
            epoch: batch.epoch,
            node: batch.node.clone(),
            lowest: first,
            highest: first,
            stored: 0,
            dropped: 0,
            place: 0,
        });
        let extent = &mut chain.signed.extent;
        let mut rows = Vec::with_capacity(fresh.len());
        for line in fresh {
            let raw = line.raw.as_bytes();
            extent.hash = chain::next(&extent.hash, &extent.proxy, batch.epoch, line.seq, now, raw);
            extent.length += 1;
            chain.bytes += u64::try_from(raw.len()).unwrap_or(u64::MAX);
            rows.push(Row {
                chain: int(chain.id),
                place: int(extent.length),
                epoch: &batch.epoch.0,
                seq: int(line.seq),
                time: int(line.time),
                received: int(now),
                hash: extent.hash,
                raw,
            });
            queue.stored += 1;
            queue.place = extent.length;
        }
        queue.lowest = queue.lowest.min(first);
        queue.highest = queue.highest.max(batch.last());
        queue.dropped = queue.dropped.max(batch.dropped);
        if !rows.is_empty() {
            self.database.append(&rows)?;
        }
        Ok((chain, queue))
    }

    /// Writes down what was changed, and signs it.
    fn save(&mut self, touched: &Touched, now: u64, signer: &Signer) -> Result<(), StoreError> {
        for ((chain, _), queue) in &touched.queues {
            let statement = "INSERT INTO audit_epochs (chain, epoch, node, lowest, highest, stored, dropped, place) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (chain, epoch) DO UPDATE SET lowest = excluded.lowest, \
                 highest = excluded.highest, stored = excluded.stored, dropped = excluded.dropped, place = excluded.place";
            let numbers = [queue.lowest, queue.highest, queue.stored, queue.dropped, queue.place];
            let mut values =
                vec![Value::Int(int(*chain)), Value::Bytes(&queue.epoch.0), Value::Text(&queue.node)];
            values.extend(numbers.map(|number| Value::Int(int(number))));
            self.database.execute(statement, &values)?;
        }
        touched.chains.values().try_for_each(|chain| self.save_chain(chain, now, signer))?;
        if touched.begun == 0 {
            return Ok(());
        }
        // Last, when all chains are locked: who waits for this row holds up nobody who has it.
        let lock = self.database.dialect().lock;
        let number = self.number(lock)?;
        let number = signer.count(&number, touched.begun);
        let number = number.ok_or_else(|| StoreError::new("the number of chains was changed by others"))?;
        let statement = "UPDATE audit_meta SET value = $1 WHERE name = $2";
        self.database.execute(statement, &[Value::Text(&number.text()), Value::Text(CHAINS)]).map(|_| ())
    }

    /// How many chains were ever begun, as the store says.
    pub(super) fn number(&mut self, lock: &str) -> Result<Number, StoreError> {
        let statement = format!("SELECT value FROM audit_meta WHERE name = $1{lock}");
        let rows = self.database.query(&statement, &[Value::Text(CHAINS)])?;
        let text = rows.into_iter().next().and_then(|row| Cells::new(row).text().ok());
        // Where it was taken away, it is none.
        Ok(Number::stored(text.as_deref().unwrap_or("none")))
    }

    /// Writes down how far a chain goes, signed.
    pub(super) fn save_chain(&mut self, chain: &Chain, now: u64, signer: &Signer) -> Result<(), StoreError> {
        let signed = signer.sign(&chain.signed.extent, now);
        let statement = "UPDATE audit_chains SET length = $1, hash = $2, retired = $3, anchor = $4, bytes = $5, signed_at = $6, \
             signature = $7 WHERE chain = $8";
        let changed = self.database.execute(
            statement,
            &[
                Value::Int(int(signed.extent.length)),
                Value::Bytes(&signed.extent.hash),
                Value::Int(int(signed.extent.retired)),
                Value::Bytes(&signed.extent.anchor),
                Value::Int(int(chain.bytes)),
                Value::Int(int(signed.at)),
                Value::Bytes(&signed.signature),
                Value::Int(int(chain.id)),
            ],
        )?;
        if changed == 1 { Ok(()) } else { Err(StoreError::new("a chain is no longer there")) }
    }

    /// The chain of a proxy, for this transaction alone, in which so many were begun already; made if there is none, and there is room. It may
    /// be continued, and signed anew.
    pub(super) fn lock_chain(
        &mut self,
        proxy: &Proxy,
        signer: &Signer,
        begun: u64,
    ) -> Result<Locked, StoreError> {
        let known =
            |chain: Chain| if signer.vouches(&chain.signed) { Locked::Known(chain) } else { Locked::Foreign };
        let statement = format!("{CHAIN} WHERE proxy = $1{}", self.database.dialect().lock);
        let find = |store: &mut Self| -> Result<Option<Chain>, StoreError> {
            let rows = store.database.query(&statement, &[Value::Text(proxy.as_str())])?;
            rows.into_iter().next().map(chain_of).transpose()
        };
        if let Some(chain) = find(self)? {
            return Ok(known(chain));
        }
        // In one look: another replica may begin one at any time.
        let look = "SELECT (SELECT COUNT(*) FROM audit_chains), (SELECT COALESCE(MAX(chain), 0) FROM audit_chains), value FROM audit_meta \
             WHERE name = $1";
        let counted = self.database.query(look, &[Value::Text(CHAINS)])?;
        let Some(row) = counted.into_iter().next() else { return Ok(Locked::Foreign) };
        let mut cells = Cells::new(row);
        let (count, newest, number) = (cells.count()?, cells.count()?, Number::stored(&cells.text()?));
        if count >= MAX_CHAINS {
            return Ok(Locked::NoRoom);
        }
        if count > number.chains.saturating_add(begun) || signer.count(&number, begun).is_none() {
            return Ok(Locked::Foreign);
        }
        let Extent { length, hash, retired, anchor, .. } = Extent::new(proxy.clone());
        let statement = "INSERT INTO audit_chains (chain, proxy, length, hash, retired, anchor, bytes, signed_at, signature) \
             VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7) ON CONFLICT DO NOTHING";
        let values = [
            Value::Int(int(newest + 1)),
            Value::Text(proxy.as_str()),
            Value::Int(int(length)),
            Value::Bytes(&hash),
            Value::Int(int(retired)),
            Value::Bytes(&anchor),
            Value::Bytes(&[0; 64]),
        ];
        let is_ours = self.database.execute(statement, &values)? > 0;
        // Another replica may have made it at the same time, or taken the number: then the proxy tries again.
        let found = find(self)?;
        let found = found.ok_or_else(|| StoreError::new("another replica began a chain at the same time"))?;
        Ok(if is_ours { Locked::Begun(found) } else { known(found) })
    }

    fn queue(&mut self, chain: u64, epoch: Epoch) -> Result<Option<Queue>, StoreError> {
        let statement = format!("{QUEUE} WHERE chain = $1 AND epoch = $2");
        let rows = self.database.query(&statement, &[Value::Int(int(chain)), Value::Bytes(&epoch.0)])?;
        rows.into_iter().next().map(queue_of).transpose()
    }

    /// The bytes of a record that is kept.
    fn kept(&mut self, chain: u64, epoch: Epoch, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let statement = "SELECT raw FROM audit_records WHERE chain = $1 AND epoch = $2 AND seq = $3";
        let values = [Value::Int(int(chain)), Value::Bytes(&epoch.0), Value::Int(int(seq))];
        let rows = self.database.query(statement, &values)?;
        rows.into_iter().next().map(|row| Cells::new(row).bytes()).transpose()
    }

    /// Every chain, by its proxy's name.
    pub(crate) fn chains(&mut self) -> Result<Vec<Chain>, StoreError> {
        let rows = self.database.query(&format!("{CHAIN} ORDER BY proxy"), &[])?;
        rows.into_iter().map(chain_of).collect()
    }

    /// Every queue of a chain.
    pub(crate) fn queues(&mut self, chain: u64) -> Result<Vec<Queue>, StoreError> {
        let rows = self
            .database
            .query(&format!("{QUEUE} WHERE chain = $1 ORDER BY place"), &[Value::Int(int(chain))])?;
        rows.into_iter().map(queue_of).collect()
    }

    /// How many records there are, also such as belong to no chain.
    pub(crate) fn count(&mut self) -> Result<u64, StoreError> {
        let rows = self.database.query("SELECT COUNT(*) FROM audit_records", &[])?;
        Cells::new(rows.into_iter().next().unwrap_or_default()).count()
    }

    /// The next records of a chain, behind a place; at most [`PAGE`].
    pub(crate) fn of_chain(&mut self, chain: u64, after: u64) -> Result<Vec<Entry>, StoreError> {
        let statement = format!("{ENTRY} WHERE chain = $1 AND place > $2 ORDER BY place LIMIT {PAGE}");
        self.entries(&statement, &[Value::Int(int(chain)), Value::Int(int(after))])
    }

    /// The next records that were received after a place; at most [`PAGE`].
    pub(crate) fn after(&mut self, place: Place) -> Result<Vec<Entry>, StoreError> {
        let statement = format!(
            "{ENTRY} WHERE (received, chain, place) > ($1, $2, $3) ORDER BY received, chain, place LIMIT {PAGE}"
        );
        self.in_time(&statement, place)
    }

    /// The records that were received before a place, the newest first; at most [`PAGE`].
    pub(crate) fn before(&mut self, place: Place) -> Result<Vec<Entry>, StoreError> {
        let statement = format!(
            "{ENTRY} WHERE (received, chain, place) < ($1, $2, $3) \
             ORDER BY received DESC, chain DESC, place DESC LIMIT {PAGE}"
        );
        self.in_time(&statement, place)
    }

    fn in_time(&mut self, statement: &str, place: Place) -> Result<Vec<Entry>, StoreError> {
        let page = self.entries(statement, &place.values())?;
        if page.iter().all(|entry| entry.place.is_sound()) { Ok(page) } else { Err(damaged()) }
    }

    fn entries(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Entry>, StoreError> {
        self.database.query(statement, values)?.into_iter().map(entry_of).collect()
    }

    /// The database, for what else belongs to the store.
    pub(super) fn database(&mut self) -> &mut dyn Database {
        &mut *self.database
    }
}
