//! SQLite, in one file beside its write-ahead log: the store of one companion.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql};

use super::database::{Cell, Database, Dialect, Purpose, StoreError, Value};
use super::rows::Row;

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// How soon to look again where SQLite does not wait by itself.
const PAUSE: Duration = Duration::from_millis(5);

/// Held while a file is made or opened. The locks by which SQLite knows that a file is in use are the process's, and go when the process
/// closes the file anywhere: then another process could take the log away while we write into it.
static OPENING: Mutex<()> = Mutex::new(());

/// A file.
pub(crate) struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// What was at the path when it was opened: the device and the number of the file.
    identity: (u64, u64),
}

impl Sqlite {
    /// Opens a file; makes it, for its owner alone, if that is asked. One that is only to be read is not changed: it may be somebody else's.
    pub(crate) fn open(path: &Path, make: bool) -> Result<Self, StoreError> {
        let told = |why: &dyn std::fmt::Display| StoreError::new(format!("`{}`: {why}", path.display()));
        // It guards nothing that a panic could have left half done.
        let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        if make {
            make_file(path).map_err(|why| told(&why))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|why| told(&why))?;
        let prepared = connection.busy_timeout(PATIENCE).and_then(|()| {
            if make {
                keep_log(&connection)?;
            }
            // A commit returns when the log is on the disk.
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "trusted_schema", "OFF")?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(())
        });
        prepared.map_err(|why| told(&why))?;
        let identity = identity(path).map_err(|why| told(&why))?;
        Ok(Self { connection, path: path.to_owned(), identity })
    }

    /// Whether the path still leads to what was opened: what is written into a file that nobody finds any more is lost.
    fn is_there(&self) -> Result<(), StoreError> {
        match identity(&self.path) {
            Ok(there) if there == self.identity => Ok(()),
            _ => {
                let path = self.path.display();
                Err(StoreError::new(format!(
                    "`{path}` was moved, removed or replaced while it is in use: put it back, or start the companion anew"
                )))
            }
        }
    }
}

/// Makes the file if it is not there. One that is there is not touched, and above all not closed: see [`OPENING`].
fn make_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(why) => return Err(why),
    }
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Has the file keep a write-ahead log. Where two processes turn a new file to that at the same time, SQLite waits for neither, so we do.
fn keep_log(connection: &Connection) -> rusqlite::Result<()> {
    let began = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(why) if is_busy(&why) && began.elapsed() < PATIENCE => thread::sleep(PAUSE),
            done => return done,
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    path.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn is_busy(why: &rusqlite::Error) -> bool {
    why.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

impl Database for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect { bytes: "BLOB", lock: "", alone: None, turn: None }
    }

    fn begin(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        if purpose == Purpose::Write {
            self.is_there()?;
        }
        // Who writes has the file to itself; a reader sees it as it is at its first look.
        let statement = if purpose == Purpose::Write { "BEGIN IMMEDIATE" } else { "BEGIN" };
        Ok(self.connection.execute_batch(statement)?)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            // What cannot be rolled back is rolled back when the file is opened next.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn execute(&mut self, statement: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let mut prepared = self.connection.prepare_cached(statement)?;
        let changed = prepared.execute(rusqlite::params_from_iter(values))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    fn query(&mut self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Vec<Cell>>, StoreError> {
        let mut prepared = self.connection.prepare_cached(statement)?;
        let columns = prepared.column_count();
        let rows = prepared.query_map(rusqlite::params_from_iter(values), |row| {
            (0..columns).map(|at| row.get_ref(at).map(cell)).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn append(&mut self, rows: &[Row<'_>]) -> Result<(), StoreError> {
        let mut prepared = self.connection.prepare_cached(
            "INSERT INTO audit_records (chain, place, epoch, seq, time, received, hash, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        for row in rows {
            let Row { chain, place, epoch, seq, time, received, hash, raw } = row;
            prepared.execute(rusqlite::params![chain, place, epoch, seq, time, received, hash, raw])?;
        }
        Ok(())
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
        ValueRef::Null | ValueRef::Real(_) => Cell::Null,
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        // SQLite's messages name tables and columns, never values.
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::audit::Store;

    #[test]
    fn a_commit_is_on_the_disk_and_the_file_is_for_its_owner() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let mut database = Sqlite::open(&path, true).unwrap();
        assert_eq!(database.query("PRAGMA journal_mode", &[]).unwrap(), [[Cell::Text("wal".to_owned())]]);
        assert_eq!(database.query("PRAGMA synchronous", &[]).unwrap(), [[Cell::Int(2)]], "FULL");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Sqlite::open(&folder.path().join("none"), false).is_err());
    }

    #[test]
    fn what_is_only_read_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
        let before = std::fs::read(&path).unwrap();
        let told = Store::named(path.to_str().unwrap(), false).err().unwrap();
        assert!(told.to_string().contains("there is no audit store"), "{told}");
        assert!(std::fs::read(&path).unwrap() == before, "it is as it was");
    }

    #[test]
    fn nothing_is_written_into_a_file_that_nobody_finds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let mut store = Store::named(path.to_str().unwrap(), true).unwrap();
        let mut writes = || store.within(Purpose::Write, |_| Ok(()));
        assert_eq!(writes(), Ok(()));
        let away = folder.path().join("away.db");
        std::fs::rename(&path, &away).unwrap();
        assert!(writes().unwrap_err().to_string().contains("was moved, removed or replaced"));
        std::fs::copy(&away, &path).unwrap();
        assert!(writes().is_err(), "another file in its place is not it");
        std::fs::rename(&away, &path).unwrap();
        assert_eq!(writes(), Ok(()), "put back, it goes on");
    }

    /// The companion's threads open it at the same time; one that failed would refuse records for a second.
    #[test]
    fn a_file_that_somebody_else_begins_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let other = Connection::open(&path).unwrap();
        // As long as the first turns it to a log, or makes tables in it, and the disk is slow.
        other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE other (x)").unwrap();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            let opened = scope.spawn(|| {
                start.wait();
                Store::create(Box::new(Sqlite::open(&path, true)?)).map(drop)
            });
            start.wait();
            thread::sleep(Duration::from_millis(300));
            assert!(!opened.is_finished(), "it waits");
            other.execute_batch("COMMIT").unwrap();
            assert_eq!(opened.join().unwrap(), Ok(()));
        });
    }

    /// Whoever closes the file last takes its log away. That it is still in use is known by a lock, which the system takes back as soon as
    /// this process closes the file in any other way.
    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_open_stays_locked_when_it_is_opened_again() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.db");
        let first = Store::create(Box::new(Sqlite::open(&path, true).unwrap())).unwrap();
        let (process, file) = (std::process::id(), path.metadata().unwrap().ino());
        let locked = || {
            let locks = std::fs::read_to_string("/proc/locks").unwrap();
            locks.lines().any(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                words[1] == "POSIX"
                    && words[4] == process.to_string()
                    && words[5].ends_with(&format!(":{file}"))
            })
        };
        assert!(locked());
        let second = Store::create(Box::new(Sqlite::open(&path, true).unwrap())).unwrap();
        assert!(locked());
        drop((first, second));
    }
}
