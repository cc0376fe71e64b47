//! What the store asks of a database: to run statements, in transactions. The statements are the same for both, numbered `$1`, `$2`, …
//! in the order in which they first stand there.

use std::fmt;

use super::rows::Row;

/// Why the store could not do something. Its text holds no values of statements and no address with a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoreError(pub(crate) String);

/// A value that a statement is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'v> {
    Int(i64),
    Text(&'v str),
    Bytes(&'v [u8]),
}

/// A value that a statement gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// It sees one state of the store from its beginning to its end.
    Read,
    /// What it locks, nobody else changes; what it commits is on the disk.
    Write,
}

/// What differs between the databases in the text of statements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// The type of bytes.
    pub(crate) bytes: &'static str,
    /// What makes a `SELECT` lock its row for the transaction.
    pub(crate) lock: &'static str,
    /// What keeps others from making the tables at the same time, in the transaction that does.
    pub(crate) alone: Option<&'static str>,
    /// Where several companions share a store: asks whether it is this connection's turn to do what is named by `$1`. It is until the
    /// connection ends.
    pub(crate) turn: Option<&'static str>,
}

/// A database.
pub(crate) trait Database: Send {
    fn dialect(&self) -> Dialect;
    fn begin(&mut self, purpose: Purpose) -> Result<(), StoreError>;
    /// Ends a transaction; after a write, everything in it is durable when this returns.
    fn commit(&mut self) -> Result<(), StoreError>;
    /// Ends a transaction as if it had not been. It cannot fail: a connection that is gone has forgotten it as well.
    fn rollback(&mut self);
    /// Runs a statement; how many rows it changed.
    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64, StoreError>;
    /// Runs a query that gives a bounded number of rows.
    fn query(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Vec<Cell>>, StoreError>;
    /// Appends rows to the table of records.
    fn append(&mut self, rows: &[Row<'_>]) -> Result<(), StoreError>;
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StoreError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A row under the reader's hand.
pub(crate) struct Cells(pub(crate) std::vec::IntoIter<Cell>);

impl Cells {
    pub(crate) fn new(row: Vec<Cell>) -> Self {
        Self(row.into_iter())
    }

    pub(crate) fn int(&mut self) -> Result<i64, StoreError> {
        match self.0.next() {
            Some(Cell::Int(number)) => Ok(number),
            _ => Err(damaged()),
        }
    }

    /// A number that is never below zero.
    pub(crate) fn count(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.int()?).map_err(|_| damaged())
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        match self.0.next() {
            Some(Cell::Text(text)) => Ok(text),
            _ => Err(damaged()),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.0.next() {
            Some(Cell::Bytes(bytes)) => Ok(bytes),
            _ => Err(damaged()),
        }
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.bytes()?.try_into().map_err(|_| damaged())
    }
}

/// What to say of a value that nobody here wrote.
pub(super) fn damaged() -> StoreError {
    StoreError::new(
        "the store holds a value of another kind than was written: it is damaged, or was changed by others",
    )
}

/// A number for a statement.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
