//! The thread that looks for edits, builds a publication of them, and puts it in the place of the last one.
//!
//! The kernel's word that something changed is only a hint to look: what decides is what the file system says of the files. Without such
//! hints (network file systems, mounts that are swapped) it looks every few seconds.

use std::any::Any;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, Watcher as _};

use super::Companion;
use super::folder::{Folder, Mark};
use super::problem::Problem;
use super::publication::Publication;
use super::registry::Registry;
use super::signed::{Signed, Store};
use super::stamps::Stamps;
use super::state::{Saved, StateDir};

/// How long nothing may happen before an edit counts as finished.
const QUIET: Duration = Duration::from_millis(30);
/// How long is waited for that.
const LONGEST_EDIT: Duration = Duration::from_millis(300);
/// How often files are read that change while they are read.
const TRIES: usize = 5;
/// After how long something that failed is tried again although nothing changed: a disk may be full, a mount late.
const RETRY: Duration = Duration::from_secs(10);

/// A file that was written is closed.
const WRITTEN: AccessKind = AccessKind::Close(AccessMode::Write);

/// Where publications come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Policy that is compiled, tested and signed here.
    Folder(Folder),
    /// Bundles that were signed elsewhere.
    Bundles(Signed),
}

/// What wakes the thread.
pub(super) enum Wake {
    /// Something may have changed.
    Look,
    /// The companion ends.
    Stop,
}

/// What becomes of edits.
pub(super) struct Publisher {
    source: Source,
    state: Option<StateDir>,
    poll: Duration,
    companion: Arc<Companion>,
    wakes: Receiver<Wake>,
    watcher: Option<RecommendedWatcher>,
    /// What is served.
    last: Option<Arc<Publication>>,
    /// The number and content of it, or of what was saved and cannot be served.
    mark: Option<Mark>,
    /// Whether `last` is saved.
    saved: bool,
    /// What keeps others out of the state folder.
    lock: Option<File>,
}

/// A publication, what else is wrong, and when to look again.
type Built = (Publication, Option<Problem>, Option<u64>);

// === impl Source ===

impl Source {
    /// The registry that it is in, if it is in one.
    pub(super) fn registry(&self) -> Option<&Registry> {
        match self {
            Self::Bundles(Signed { store: Store::Registry(registry), .. }) => Some(registry),
            _ => None,
        }
    }

    /// Whether there is anything to look at yet.
    fn is_there(&self) -> bool {
        match self {
            Self::Folder(_) => true,
            Self::Bundles(signed) => signed.is_there(),
        }
    }

    fn stamps(&self) -> Stamps {
        match self {
            Self::Folder(folder) => folder.stamps(),
            Self::Bundles(folder) => folder.stamps(),
        }
    }

    fn build(&self, last: Option<&Publication>, mark: Option<Mark>) -> Result<Built, Problem> {
        match self {
            Self::Folder(folder) => folder.build(mark).map(|publication| (publication, None, None)),
            Self::Bundles(folder) => {
                folder.build(last).map(|looked| (looked.publication, looked.problem, looked.again))
            }
        }
    }

    fn restore(&self, saved: &Saved) -> Result<Publication, Problem> {
        match self {
            Self::Folder(folder) => folder.restore(saved),
            Self::Bundles(folder) => folder.restore(saved),
        }
    }
}

// === impl Publisher ===

impl Publisher {
    /// A publisher, and what wakes it.
    pub(super) fn new(
        source: Source,
        state: Option<StateDir>,
        poll: Duration,
        companion: Arc<Companion>,
    ) -> (Self, SyncSender<Wake>) {
        // A full channel is as good as one more hint.
        let (sender, wakes) = sync_channel(64);
        let hints = sender.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Looking opens folders, and must not be a reason to look again.
            let looks = |event: &Event| matches!(event.kind, EventKind::Access(kind) if kind != WRITTEN);
            if !event.as_ref().is_ok_and(looks) {
                let _ = hints.try_send(Wake::Look);
            }
        });
        let watcher = watcher
            .map_err(|why| tracing::warn!(%why, "the kernel tells of no changes: looking for them instead"));
        let this = Self {
            source,
            state,
            poll,
            companion,
            wakes,
            watcher: watcher.ok(),
            last: None,
            mark: None,
            saved: true,
            lock: None,
        };
        (this, sender)
    }

    /// Serves what was saved, until something newer is built. An error is one to end with.
    pub(super) fn restore(&mut self) -> Result<(), String> {
        let Some(state) = &self.state else { return Ok(()) };
        let told = |why: io::Error| Problem::new("state", format!("`{}`: {why}", state.0.display()));
        match state.prepare() {
            Ok(lock) => self.lock = Some(lock),
            Err(why) if why.kind() == io::ErrorKind::ResourceBusy => return Err(told(why).message),
            Err(why) => self.companion.problem("state", Some(told(why))),
        }
        let saved = state.load().map_err(told);
        let restored = saved.and_then(|saved| {
            let Some(saved) = saved else { return Ok(None) };
            // Even if it cannot be served, nothing older may be published.
            self.mark = saved.bundles.get("").and_then(|bytes| Mark::of(bytes));
            self.source.restore(&saved).map(Some)
        });
        match restored {
            Ok(None) => {}
            Ok(Some(publication)) => {
                tracing::info!(serial = publication.serial(), "serving what was published before");
                self.serve(publication);
            }
            Err(problem) => {
                tracing::warn!(why = problem.message, "what was published before can not be served");
            }
        }
        Ok(())
    }

    /// Publishes edits until it is told to stop.
    pub(super) fn run(mut self) {
        let mut built: Option<Stamps> = None;
        let mut again = None;
        let mut failed = None::<Instant>;
        loop {
            let stamps = self.source.stamps();
            let due = again.is_some_and(|time| time <= now());
            let retry = failed.is_some_and(|at| at.elapsed() >= RETRY);
            if self.source.is_there() && (built.as_ref() != Some(&stamps) || due || retry) {
                self.watch();
                let stamps = self.settled(stamps);
                let (stamps, outcome) = self.build(stamps);
                built = Some(stamps);
                failed = outcome.is_err().then(Instant::now);
                again = outcome.unwrap_or(None);
            }
            if !self.saved && failed.is_none_or(|at| at.elapsed() >= RETRY) {
                self.save();
                failed = (!self.saved).then(Instant::now);
            }
            if !self.wait() {
                return;
            }
        }
    }

    /// Builds until the files stay as they are meanwhile.
    fn build(&mut self, mut stamps: Stamps) -> (Stamps, Result<Option<u64>, ()>) {
        let start = Instant::now();
        for _ in 0..TRIES {
            let (last, mark) = (self.last.as_deref(), self.mark);
            let outcome = catch_unwind(AssertUnwindSafe(|| self.source.build(last, mark)));
            let outcome = outcome.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
            let after = self.source.stamps();
            if after == stamps {
                self.companion.metrics.built(start.elapsed());
                return (stamps, self.conclude(outcome));
            }
            stamps = after;
        }
        self.companion.problem("policy", Some(Problem::new("policy", "the files change all the time")));
        (stamps, Err(()))
    }

    /// Publishes what was built, or says why it was not.
    fn conclude(&mut self, outcome: Result<Built, Problem>) -> Result<Option<u64>, ()> {
        match outcome {
            Ok((publication, problem, again)) => {
                self.companion.problem("policy", problem);
                if self.last.as_ref().is_none_or(|last| !last.is_same(&publication)) {
                    self.publish(publication);
                } else {
                    self.companion.metrics.unchanged();
                }
                Ok(again)
            }
            Err(problem) => {
                self.companion.metrics.failed();
                self.companion.problem("policy", Some(problem));
                Err(())
            }
        }
    }

    /// To the disk, so that a restart does not fall behind; then to everybody. A disk that is full does not hold policy back.
    fn publish(&mut self, publication: Publication) {
        let serial = publication.serial();
        let ahead = serial.saturating_sub(now().saturating_mul(1000));
        if matches!(self.source, Source::Folder(Folder { serial: None, .. })) && ahead > 24 * 3600 * 1000 {
            tracing::warn!(
                serial,
                "a file's time of modification lies in the future, and so does the serial"
            );
        }
        self.saved = false;
        let publication = Arc::new(publication);
        self.last = Some(Arc::clone(&publication));
        self.save();
        self.put(publication);
        tracing::info!(serial, "published");
    }

    fn serve(&mut self, publication: Publication) {
        let publication = Arc::new(publication);
        self.last = Some(Arc::clone(&publication));
        self.put(publication);
    }

    fn put(&mut self, publication: Arc<Publication>) {
        self.mark = publication.bundles().get("").and_then(|served| Mark::of(&served.bytes));
        self.companion.publish(publication);
    }

    fn save(&mut self) {
        let (Some(state), Some(last)) = (&self.state, &self.last) else {
            self.saved = true;
            return;
        };
        let lock = self.lock.take().map_or_else(|| state.prepare(), Ok);
        let outcome = lock.and_then(|lock| {
            self.lock = Some(lock);
            state.save(last)
        });
        self.saved = outcome.is_ok();
        let problem = outcome
            .err()
            .map(|why| Problem::new("state", format!("`{}` can not be written: {why}", state.0.display())));
        self.companion.problem("state", problem);
    }

    /// Asks the kernel to tell of changes. Anew each time: what is watched may have been put there meanwhile.
    fn watch(&mut self) {
        let roots = match &self.source {
            Source::Folder(folder) => folder.roots(),
            Source::Bundles(folder) => folder.roots(),
        };
        let Some(watcher) = &mut self.watcher else { return };
        for (root, mode) in roots {
            // What cannot be watched is looked at.
            let _ = watcher.watch(&root, mode);
        }
    }

    /// What the files are like when nothing happens to them any more: what is written piece by piece must not be read in between.
    fn settled(&self, mut stamps: Stamps) -> Stamps {
        let start = Instant::now();
        while start.elapsed() < LONGEST_EDIT {
            thread::sleep(QUIET);
            let now = self.source.stamps();
            if now == stamps {
                break;
            }
            stamps = now;
        }
        stamps
    }

    /// Waits for a reason to look; `false` to stop.
    fn wait(&self) -> bool {
        if *self.companion.stopping.borrow() {
            return false;
        }
        let mut woken = self.wakes.recv_timeout(self.poll);
        // One look is enough for all that happened until now.
        loop {
            match woken {
                Ok(Wake::Look) => woken = self.wakes.try_recv().map_err(|_| RecvTimeoutError::Timeout),
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Problem::new("internal", format!("the compiler failed, which is its own mistake: {text}"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
