//! Looks at the whole store now and then, for what only that can tell, and sends a collector of OpenTelemetry what is counted.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::database::{Cells, StoreError};
use super::exporter::Problem;
use super::otlp::accepted;
use super::otlp_metrics::{PATH, Source, metrics};
use super::store::Store;
use super::tally::{Tally, Totals};
use crate::serve::{ClientFiles, post};

/// How often.
const LOOK: Duration = Duration::from_secs(10);

/// A collector: its address, and the CAs of its certificate.
pub(crate) type Collector = (String, Option<PathBuf>);

/// Starts a thread that looks, and sends if there is a collector. It ends with the process.
pub(crate) fn start(
    store: String,
    tally: Arc<Tally>,
    collector: Option<Collector>,
    problem: Problem,
) -> Result<(), String> {
    let mut number = [0; 16];
    getrandom::fill(&mut number).map_err(|why| why.to_string())?;
    let source = Source { instance: format!("{:032x}", u128::from_be_bytes(number)), began: now() };
    let run = move || {
        let mut open = None;
        loop {
            // Who writes tells what is wrong with the store.
            match look(&store, &mut open) {
                Ok(totals) => tally.looked(totals),
                Err(_) => open = None,
            }
            if let Some((base, ca)) = &collector {
                let files = ClientFiles { ca: ca.clone(), own: None };
                let body = metrics(&tally.counts(), &source, now());
                let answer = post(base, PATH, &files, body.into());
                problem(answer.and_then(|answer| accepted(&answer)).err());
            }
            thread::sleep(LOOK);
        }
    };
    thread::Builder::new().name("totals".to_owned()).spawn(run).map(|_| ()).map_err(|why| why.to_string())
}

fn look(name: &str, open: &mut Option<Store>) -> Result<Totals, StoreError> {
    let store = match open {
        Some(store) => store,
        None => open.insert(Store::named(name, true)?),
    };
    store.totals()
}

impl Store {
    /// What the store says of all its proxies.
    fn totals(&mut self) -> Result<Totals, StoreError> {
        // Sums are of a type of their own in PostgreSQL.
        let statement = "SELECT (SELECT COUNT(*) FROM audit_chains), \
             CAST(COALESCE(SUM(CASE WHEN highest + 1 - lowest > stored THEN highest + 1 - lowest - stored END), 0) AS BIGINT), \
             CAST(COALESCE(SUM(dropped), 0) AS BIGINT) FROM audit_epochs";
        let rows = self.database().query(statement, &[])?;
        let mut cells = Cells::new(rows.into_iter().next().unwrap_or_default());
        Ok(Totals { proxies: cells.count()?, missing: cells.count()?, dropped: cells.count()? })
    }
}

/// The time in nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
