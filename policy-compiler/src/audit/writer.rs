//! The one thread that writes: it takes what has come in together, and commits it together.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::batch::{Batch, Proxy};
use super::chain::Signer;
use super::database::StoreError;
use super::retention::{Clock, Keep};
use super::store::{Outcome, Store};
use super::tally::Tally;
use crate::report::printable;

/// The most batches that wait; each is of at most 256 KiB.
const MAX_WAITING: usize = 128;
/// The most batches of one commit.
const MAX_TOGETHER: usize = 64;
/// How often the store is looked after, and how soon one that failed is tried again.
const TICK: Duration = Duration::from_secs(1);
/// How often it is seen what need not be kept.
const RETENTION: Duration = Duration::from_secs(10);

/// Where records go, and how long they stay.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `postgres://…`, or a file.
    pub(crate) store: String,
    /// The private key that signs chains' heads.
    pub(crate) key: PathBuf,
    /// The public keys of those who signed them before, or sign them elsewhere.
    pub(crate) others: Vec<PathBuf>,
    pub(crate) keep: Keep,
}

/// The way to the thread.
#[derive(Clone, Debug)]
pub(crate) struct Writer(SyncSender<Job>);

#[derive(Debug)]
struct Job {
    batch: Batch,
    answer: oneshot::Sender<Answer>,
}

/// What became of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Done(Outcome),
    /// The store cannot write now, or too much waits for it.
    Unavailable,
}

/// What the thread says of itself: what is wrong, or that nothing is any more.
pub(crate) trait Told: Send {
    fn problem(&self, why: Option<String>);
}

struct Worker {
    settings: Settings,
    signer: Signer,
    store: Option<Store>,
    /// Whose chains are signed by nobody whose signatures are continued.
    foreign: BTreeSet<Proxy>,
    /// When it was last tried to open the store.
    tried: Option<Instant>,
    clock: Clock,
    began: Instant,
    looked: Option<Instant>,
    told: Box<dyn Told>,
    tally: Arc<Tally>,
}

impl Writer {
    /// Starts the thread. A store that cannot be opened is tried again and again; a key that cannot be read is an error.
    pub(crate) fn start(settings: Settings, told: Box<dyn Told>, tally: Arc<Tally>) -> Result<Self, String> {
        let signer = Signer::read(&settings.key, &settings.others)?;
        let (sender, receiver) = sync_channel(MAX_WAITING);
        let mut worker = Worker {
            settings,
            signer,
            store: None,
            foreign: BTreeSet::new(),
            tried: None,
            clock: Clock::default(),
            began: Instant::now(),
            looked: None,
            told,
            tally,
        };
        let run = move || worker.run(&receiver);
        thread::Builder::new().name("audit".to_owned()).spawn(run).map_err(|why| why.to_string())?;
        Ok(Self(sender))
    }

    /// Stores a batch; when it is said to be stored, it is durable.
    pub(crate) async fn store(&self, batch: Batch) -> Answer {
        let (answer, outcome) = oneshot::channel();
        if self.0.try_send(Job { batch, answer }).is_err() {
            return Answer::Unavailable;
        }
        outcome.await.unwrap_or(Answer::Unavailable)
    }
}

impl Worker {
    /// Works until nobody can send any more.
    fn run(&mut self, jobs: &Receiver<Job>) {
        self.look_after();
        loop {
            match jobs.recv_timeout(TICK) {
                Ok(first) => {
                    let mut together = vec![first];
                    together.extend(jobs.try_iter().take(MAX_TOGETHER - 1));
                    self.commit(together);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look_after();
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let batches: Vec<_> = jobs.iter().map(|job| &job.batch).collect();
        let (now, began) = (now(), Instant::now());
        let done = match self.store.as_mut() {
            Some(store) => store.append(&batches, now, &self.signer),
            None => Err(StoreError::new("it is not open")),
        };
        let outcomes = match done {
            Ok(outcomes) => {
                self.tally.committed(began.elapsed());
                for (batch, outcome) in batches.iter().zip(&outcomes) {
                    match outcome {
                        Outcome::Stored(fresh) => {
                            self.foreign.remove(&batch.proxy);
                            self.tally.stored(batch, fresh);
                        }
                        Outcome::Foreign => {
                            self.foreign.insert(batch.proxy.clone());
                        }
                        Outcome::Conflict(_) | Outcome::TooManyProxies => {}
                    }
                }
                self.told.problem(self.foreign.first().map(foreign));
                outcomes.into_iter().map(Answer::Done).collect()
            }
            Err(why) => {
                // Of a store that was never open, opening says what is wrong.
                if self.store.is_some() {
                    self.told.problem(Some(why.to_string()));
                }
                vec![Answer::Unavailable; jobs.len()]
            }
        };
        for (job, answer) in jobs.into_iter().zip(outcomes) {
            // Who no longer waits will send it again.
            let _ = job.answer.send(answer);
        }
    }

    /// Opens the store if it is not open, and retires what need not be kept.
    fn look_after(&mut self) {
        if self.store.is_none() && self.tried.is_none_or(|tried| tried.elapsed() >= TICK) {
            self.tried = Some(Instant::now());
            match Store::named(&self.settings.store, true) {
                Ok(store) => {
                    self.store = Some(store);
                    self.told.problem(None);
                }
                Err(why) => self.told.problem(Some(why.to_string())),
            }
        }
        if self.looked.is_some_and(|looked| looked.elapsed() < RETENTION) {
            return;
        }
        let Some(store) = self.store.as_mut() else { return };
        self.looked = Some(Instant::now());
        if self.clock.look(Duration::from_millis(now()), self.began.elapsed()) {
            tracing::warn!("the clock was set: for an hour, no records are retired by age");
        }
        match self.settings.keep.apply(store, now(), self.clock.is_trusted(), &self.signer) {
            Ok(0) => {}
            Ok(records) => {
                tracing::info!(records, "records were retired");
                self.tally.retired(records);
            }
            Err(why) => self.told.problem(Some(why.to_string())),
        }
    }
}

/// What to say of a chain that is not continued.
fn foreign(proxy: &Proxy) -> String {
    format!(
        "records of `{}` are not taken: what is stored of them, or how many chains there are, is signed by no key given here. Name the key that signed \
         it with `--audit-signed-by`; if there is none, the store was changed, and `audit verify` says where",
        printable(proxy.as_str())
    )
}

/// The time in milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
