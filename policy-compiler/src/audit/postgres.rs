//! PostgreSQL: one store for several companions.

use std::collections::HashMap;
use std::time::Duration;

use postgres::error::DbError;
use postgres::types::{ToSql, Type};
use postgres::{Client, Config, Statement};

use super::database::{Cell, Database, Dialect, Purpose, StoreError, Value};
use super::postgres_tls::{Tls, demand};
use super::rows::Row;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server works on one statement, and waits for a lock, before it gives up.
const SETTINGS: &str = "SET synchronous_commit = on; SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '60s'";
/// What serialises the making of tables; the number means this store.
const ALONE: &str = "SELECT pg_advisory_xact_lock(7310593858020254331)::text";
/// Whose turn it is to hand records on; the first number means this store.
const TURN: &str = "SELECT pg_try_advisory_lock(1702130283, hashtext($1))::text";
/// The most statements that are kept prepared.
const MAX_PREPARED: usize = 64;

/// A server.
pub(crate) struct Postgres {
    config: Config,
    client: Option<Client>,
    prepared: HashMap<String, Statement>,
    /// In a transaction, a connection that is lost stays lost: on another one, statements would stand alone.
    inside: bool,
}

impl Postgres {
    /// Reads `postgres://…` and connects.
    pub(crate) fn open(url: &str) -> Result<Self, StoreError> {
        // The message would show what is wrong with the address, and in it the password.
        let mut config: Config =
            url.parse().map_err(|_| StoreError::new("the address of PostgreSQL is not well-formed"))?;
        demand(&mut config);
        config.connect_timeout(CONNECT).application_name("sallyport-audit");
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(30));
        let mut this = Self { config, client: None, prepared: HashMap::new(), inside: false };
        this.client()?;
        Ok(this)
    }

    /// The connection; a new one if the last one is gone.
    fn client(&mut self) -> Result<&mut Client, StoreError> {
        let client = match self.client.take() {
            Some(client) if !client.is_closed() => client,
            _ if self.inside => return Err(StoreError::new("the connection to PostgreSQL was lost")),
            _ => {
                self.prepared.clear();
                let mut client = self.config.connect(Tls::load()?)?;
                client.batch_execute(SETTINGS)?;
                client
            }
        };
        Ok(self.client.insert(client))
    }

    fn prepare(&mut self, text: &str) -> Result<Statement, StoreError> {
        if let Some(known) = self.prepared.get(text) {
            return Ok(known.clone());
        }
        let statement = self.client()?.prepare(text)?;
        if self.prepared.len() >= MAX_PREPARED {
            self.prepared.clear();
        }
        self.prepared.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Database for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect { bytes: "BYTEA", lock: " FOR UPDATE", alone: Some(ALONE), turn: Some(TURN) }
    }

    fn begin(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        let statement = match purpose {
            Purpose::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Purpose::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.inside = false;
        self.client()?.batch_execute(statement)?;
        self.inside = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        // On a transaction that failed, `COMMIT` succeeds and rolls back; but whoever saw a statement fail does not come here.
        self.client()?.batch_execute("COMMIT")?;
        self.inside = false;
        Ok(())
    }

    fn rollback(&mut self) {
        self.inside = false;
        if let Some(mut client) = self.client.take()
            && client.batch_execute("ROLLBACK").is_ok()
        {
            self.client = Some(client);
        }
    }

    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let statement = self.prepare(statement)?;
        let values = parameters(values);
        Ok(self.client()?.execute(&statement, &references(&values))?)
    }

    fn query(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Vec<Cell>>, StoreError> {
        let statement = self.prepare(statement)?;
        let values = parameters(values);
        let rows = self.client()?.query(&statement, &references(&values))?;
        rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect()).collect()
    }

    fn append(&mut self, rows: &[Row<'_>]) -> Result<(), StoreError> {
        let statement = self.prepare(
            "INSERT INTO audit_records (chain, place, epoch, seq, time, received, hash, raw) SELECT * FROM \
             UNNEST($1::BIGINT[], $2::BIGINT[], $3::BYTEA[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BYTEA[], $8::BYTEA[])",
        )?;
        let numbers = |of: fn(&Row<'_>) -> i64| rows.iter().map(of).collect::<Vec<_>>();
        let chains = numbers(|row| row.chain);
        let places = numbers(|row| row.place);
        let epochs: Vec<_> = rows.iter().map(|row| row.epoch).collect();
        let seqs = numbers(|row| row.seq);
        let times = numbers(|row| row.time);
        let received = numbers(|row| row.received);
        let hashes: Vec<_> = rows.iter().map(|row| &row.hash[..]).collect();
        let raws: Vec<_> = rows.iter().map(|row| row.raw).collect();
        self.client()?
            .execute(&statement, &[&chains, &places, &epochs, &seqs, &times, &received, &hashes, &raws])?;
        Ok(())
    }
}

fn parameters<'v>(values: &[Value<'v>]) -> Vec<Box<dyn ToSql + Sync + 'v>> {
    values
        .iter()
        .map(|value| -> Box<dyn ToSql + Sync + 'v> {
            match *value {
                Value::Int(number) => Box::new(number),
                Value::Text(text) => Box::new(text),
                Value::Bytes(bytes) => Box::new(bytes),
            }
        })
        .collect()
}

fn references<'p>(values: &'p [Box<dyn ToSql + Sync + '_>]) -> Vec<&'p (dyn ToSql + Sync)> {
    values.iter().map(|value| -> &(dyn ToSql + Sync) { &**value }).collect()
}

fn cell(row: &postgres::Row, at: usize) -> Result<Cell, StoreError> {
    let kind = row.columns().get(at).map(postgres::Column::type_);
    let read = match kind {
        Some(&Type::INT8) => row.try_get::<_, Option<i64>>(at)?.map(Cell::Int),
        Some(&Type::TEXT) => row.try_get::<_, Option<String>>(at)?.map(Cell::Text),
        Some(&Type::BYTEA) => row.try_get::<_, Option<Vec<u8>>>(at)?.map(Cell::Bytes),
        _ => None,
    };
    Ok(read.unwrap_or(Cell::Null))
}

impl From<postgres::Error> for StoreError {
    fn from(error: postgres::Error) -> Self {
        // Only the code: details of the server's messages hold values.
        let server = error
            .as_db_error()
            .map(DbError::code)
            .map(|code| format!("PostgreSQL refused (SQLSTATE {})", code.code()));
        Self::new(server.unwrap_or_else(|| "PostgreSQL can not be reached".to_owned()))
    }
}
