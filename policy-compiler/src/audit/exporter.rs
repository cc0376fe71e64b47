//! Hands records on as they come: to a collector of OpenTelemetry, or into a file for log shippers. Each at least once.
//!
//! How far each chain was handed on is kept in the store, and written down after the other side has taken the records.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::database::{Cells, Purpose, StoreError, Value, int};
use super::filter::{Found, Names};
use super::store::Store;
use super::totals::Collector;
use super::{otlp, print};
use crate::serve::{ClientFiles, post};

/// How often it is looked for new records.
const LOOK: Duration = Duration::from_millis(500);
/// The longest pause after a failure.
const LONGEST: Duration = Duration::from_secs(30);

/// Whom records are handed to.
#[derive(Clone, Debug)]
pub(crate) enum Sink {
    /// A file that lines are appended to. It is opened anew each time, so that it may be renamed away.
    File(PathBuf),
    /// The address of a collector, with nothing behind it, and the CAs of its certificate.
    Otlp(String, Option<PathBuf>),
}

/// What is wrong, or that nothing is any more.
pub(crate) type Problem = Box<dyn Fn(Option<String>) + Send>;

/// Starts a thread that hands on what the store holds and will hold. It ends with the process.
pub(crate) fn start(store: String, sink: Sink, problem: Problem) -> Result<(), String> {
    let run = move || {
        let mut open = None;
        let mut pause = LOOK;
        loop {
            match look(&store, &mut open, &sink) {
                Ok(()) => {
                    pause = LOOK;
                    problem(None);
                }
                Err(why) => {
                    pause = (pause * 2).min(LONGEST);
                    problem(Some(why));
                }
            }
            thread::sleep(pause);
        }
    };
    thread::Builder::new().name("export".to_owned()).spawn(run).map(|_| ()).map_err(|why| why.to_string())
}

fn look(name: &str, open: &mut Option<Store>, sink: &Sink) -> Result<(), String> {
    let store = match open {
        Some(store) => store,
        None => open.insert(Store::named(name, true).map_err(|why| why.to_string())?),
    };
    if !store.has_turn(sink.word()).map_err(|why| why.to_string())? {
        return Ok(());
    }
    let mut names = Names::default();
    for chain in store.chains().map_err(|why| why.to_string())? {
        let mut read = store.handed_on(sink.word(), chain.id).map_err(|why| why.to_string())?;
        while read < chain.signed.extent.length {
            let page = store.of_chain(chain.id, read).map_err(|why| why.to_string())?;
            let Some(last) = page.last().map(|entry| entry.place.place) else { break };
            let found = page.into_iter().filter_map(|entry| names.find(store, entry).transpose());
            let found = found.collect::<Result<Vec<_>, _>>().map_err(|why| why.to_string())?;
            sink.take(&found)?;
            store.hand_on(sink.word(), chain.id, last).map_err(|why| why.to_string())?;
            read = last;
        }
    }
    Ok(())
}

impl Sink {
    /// The collector, which takes metrics, too.
    pub(crate) fn collector(&self) -> Option<Collector> {
        match self {
            Self::File(_) => None,
            Self::Otlp(base, ca) => Some((base.clone(), ca.clone())),
        }
    }

    /// What it is called in the store.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Otlp(..) => "otlp",
        }
    }

    fn take(&self, records: &[Found]) -> Result<(), String> {
        match self {
            Self::File(path) => {
                let told = |why: std::io::Error| format!("`{}` can not be written: {why}", path.display());
                let mut options = OpenOptions::new();
                let mut file = options.create(true).append(true).mode(0o640).open(path).map_err(told)?;
                let lines: String = records.iter().map(|found| print::json(found) + "\n").collect();
                file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).map_err(told)
            }
            Self::Otlp(base, ca) => {
                let files = ClientFiles { ca: ca.clone(), own: None };
                let answer = post(base, otlp::PATH, &files, otlp::logs(records).into())?;
                otlp::accepted(&answer)
            }
        }
    }
}

impl Store {
    /// Whether it is ours to hand records on there: of several companions over one store, it is one's, until its connection ends.
    fn has_turn(&mut self, to: &str) -> Result<bool, StoreError> {
        let Some(statement) = self.database().dialect().turn else { return Ok(true) };
        let rows = self.database().query(statement, &[Value::Text(to)])?;
        let said = rows.into_iter().next().map(|row| Cells::new(row).text()).transpose()?;
        Ok(said.as_deref() == Some("true"))
    }

    fn handed_on(&mut self, to: &str, chain: u64) -> Result<u64, StoreError> {
        let statement = "SELECT place FROM audit_exports WHERE name = $1 AND chain = $2";
        let rows = self.database().query(statement, &[Value::Text(to), Value::Int(int(chain))])?;
        rows.into_iter().next().map_or(Ok(0), |row| Cells::new(row).count())
    }

    fn hand_on(&mut self, to: &str, chain: u64, place: u64) -> Result<(), StoreError> {
        self.within(Purpose::Write, |store| {
            let statement = "INSERT INTO audit_exports (name, chain, place) VALUES ($1, $2, $3) \
                 ON CONFLICT (name, chain) DO UPDATE SET place = excluded.place";
            let values = [Value::Text(to), Value::Int(int(chain)), Value::Int(int(place))];
            store.database().execute(statement, &values).map(|_| ())
        })
    }
}
