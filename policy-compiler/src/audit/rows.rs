//! The tables, and what their rows are.

use super::batch::{Epoch, Proxy};
use super::chain::{Extent, Hash, Signed};
use super::database::{Cell, Cells, Database, StoreError, Value, int};

/// What this program writes and reads.
pub(super) const VERSION: &str = "2";

/// What the number of chains is called.
pub(super) const CHAINS: &str = "chains";

/// The tables. `$BYTES` is the database's type of bytes.
const TABLES: [&str; 7] = [
    "CREATE TABLE audit_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE audit_chains (chain BIGINT PRIMARY KEY, proxy TEXT NOT NULL UNIQUE, length BIGINT NOT NULL, hash $BYTES NOT NULL, \
     retired BIGINT NOT NULL, anchor $BYTES NOT NULL, bytes BIGINT NOT NULL, signed_at BIGINT NOT NULL, signature $BYTES NOT NULL)",
    "CREATE TABLE audit_epochs (chain BIGINT NOT NULL, epoch $BYTES NOT NULL, node TEXT NOT NULL, lowest BIGINT NOT NULL, \
     highest BIGINT NOT NULL, stored BIGINT NOT NULL, dropped BIGINT NOT NULL, place BIGINT NOT NULL, PRIMARY KEY (chain, epoch))",
    "CREATE TABLE audit_records (chain BIGINT NOT NULL, place BIGINT NOT NULL, epoch $BYTES NOT NULL, seq BIGINT NOT NULL, \
     time BIGINT NOT NULL, received BIGINT NOT NULL, hash $BYTES NOT NULL, raw $BYTES NOT NULL, PRIMARY KEY (chain, place))",
    "CREATE TABLE audit_exports (name TEXT NOT NULL, chain BIGINT NOT NULL, place BIGINT NOT NULL, PRIMARY KEY (name, chain))",
    "CREATE UNIQUE INDEX audit_records_once ON audit_records (chain, epoch, seq)",
    "CREATE INDEX audit_records_received ON audit_records (received, chain, place)",
];

/// A record to append.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'r> {
    pub(crate) chain: i64,
    pub(crate) place: i64,
    pub(crate) epoch: &'r [u8],
    pub(crate) seq: i64,
    pub(crate) time: i64,
    pub(crate) received: i64,
    pub(crate) hash: Hash,
    pub(crate) raw: &'r [u8],
}

/// A record in the store.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) epoch: Epoch,
    pub(crate) seq: u64,
    pub(crate) time: u64,
    pub(crate) hash: Hash,
    pub(crate) raw: String,
}

/// Where a record stands: by when it was received, then by chain.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place {
    /// By the companion's clock, in milliseconds since 1970.
    pub(crate) received: u64,
    pub(crate) chain: u64,
    pub(crate) place: u64,
}

/// A chain as the store has it.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) id: u64,
    pub(crate) signed: Signed,
    /// How many bytes of records are kept.
    pub(crate) bytes: u64,
}

/// What is known of one queue of a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) epoch: Epoch,
    /// What the proxy called itself when the queue was first heard of.
    pub(crate) node: String,
    pub(crate) lowest: u64,
    pub(crate) highest: u64,
    /// How many of its records were ever stored.
    pub(crate) stored: u64,
    /// How many the proxy says that it dropped.
    pub(crate) dropped: u64,
    /// The place of its newest record.
    pub(crate) place: u64,
}

impl Queue {
    /// How many numbers between its first and its last never came.
    pub(crate) fn missing(&self) -> u64 {
        (self.highest + 1).saturating_sub(self.lowest).saturating_sub(self.stored)
    }
}

pub(super) const CHAIN: &str =
    "SELECT chain, proxy, length, hash, retired, anchor, bytes, signed_at, signature FROM audit_chains";
pub(super) const QUEUE: &str =
    "SELECT epoch, node, lowest, highest, stored, dropped, place FROM audit_epochs";
pub(super) const ENTRY: &str =
    "SELECT received, chain, place, epoch, seq, time, hash, raw FROM audit_records";

impl Place {
    /// Behind everything.
    pub(crate) const LAST: Self =
        Self { received: i64::MAX as u64, chain: i64::MAX as u64, place: i64::MAX as u64 };

    /// Before everything that was received at this time or later.
    pub(crate) fn at(received: u64) -> Self {
        Self { received, chain: 0, place: 0 }
    }

    /// Whether it can be gone on from: what was altered may stand before or behind everything.
    pub(super) fn is_sound(self) -> bool {
        self.received <= Self::LAST.received && self.place <= Self::LAST.place
    }

    pub(super) fn values(self) -> [Value<'static>; 3] {
        [self.received, self.chain, self.place].map(|number| Value::Int(int(number)))
    }
}

/// Makes the tables that are not there.
pub(super) fn make_tables(database: &mut dyn Database) -> Result<(), StoreError> {
    let dialect = database.dialect();
    if let Some(alone) = dialect.alone {
        database.query(alone, &[])?;
    }
    for table in TABLES {
        let statement = table.replace("$BYTES", dialect.bytes);
        let statement = statement.replacen("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1);
        let statement = statement.replacen("INDEX ", "INDEX IF NOT EXISTS ", 1);
        database.execute(&statement, &[])?;
    }
    let statement = "INSERT INTO audit_meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    for (name, value) in [("version", VERSION), (CHAINS, "")] {
        database.execute(statement, &[Value::Text(name), Value::Text(value)])?;
    }
    Ok(())
}

pub(super) fn chain_of(row: Vec<Cell>) -> Result<Chain, StoreError> {
    let mut cells = Cells::new(row);
    let id = cells.count()?;
    // As with records: what nobody wrote is signed by nobody.
    let extent = Extent {
        proxy: Proxy::stored(&cells.text()?),
        length: cells.count().unwrap_or(u64::MAX),
        hash: cells.fixed().unwrap_or_default(),
        retired: cells.count().unwrap_or(u64::MAX),
        anchor: cells.fixed().unwrap_or_default(),
    };
    let bytes = cells.count()?;
    let (at, signature) = (cells.count().unwrap_or(u64::MAX), cells.fixed().unwrap_or([0; 64]));
    Ok(Chain { id, signed: Signed { extent, at, signature }, bytes })
}

pub(super) fn queue_of(row: Vec<Cell>) -> Result<Queue, StoreError> {
    let mut cells = Cells::new(row);
    Ok(Queue {
        epoch: Epoch(cells.fixed()?),
        node: cells.text()?,
        lowest: cells.count()?,
        highest: cells.count()?,
        stored: cells.count()?,
        dropped: cells.count()?,
        place: cells.count()?,
    })
}

pub(super) fn entry_of(row: Vec<Cell>) -> Result<Entry, StoreError> {
    let mut cells = Cells::new(row);
    // What is of another kind than was written was altered: it is read as what nobody wrote, so that its hash tells where. Whoever could not be
    // read at all would hide all that is wrong behind it.
    let received = cells.count().unwrap_or(u64::MAX);
    Ok(Entry {
        place: Place { received, chain: cells.count()?, place: cells.count().unwrap_or(u64::MAX) },
        epoch: Epoch(cells.fixed().unwrap_or_default()),
        seq: cells.count().unwrap_or(u64::MAX),
        time: cells.count().unwrap_or(u64::MAX),
        hash: cells.fixed().unwrap_or_default(),
        raw: String::from_utf8_lossy(&cells.bytes().unwrap_or_default()).into_owned(),
    })
}
