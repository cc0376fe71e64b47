//! The companion: publishes policy to the filters that ask for it.
//!
//! ```text
//!  policy, cases, keys ──► folder ─┐                       ┌─► state   (what a restart serves)
//!  signed bundles ───────► signed ─┴─► publisher (thread) ─┤
//!  registry (thread) ───────┘                             │
//!                                                          └─► publication ─► routes ─► connections, tls
//!                                                                (bundles by audience)     │
//!                                                          fleet, metrics, problems ◄──────┤
//!                                                          audit (writer) ◄─── records ◄────┘
//! ```

mod access;
mod client;
mod conditional;
mod connections;
mod fleet;
mod folder;
mod metrics;
mod problem;
mod publication;
mod publisher;
mod records;
mod registry;
mod routes;
mod seldom;
mod signed;
mod stamps;
mod state;
mod tls;

pub(crate) use access::Grant;
pub(crate) use client::{ClientFiles, get, post};
pub(crate) use folder::{Folder, Place};
pub(crate) use publication::requires_records;
pub(crate) use publisher::Source;
pub(crate) use records::AuditOptions;
pub(crate) use registry::Registry;
pub(crate) use signed::{Signed, Store};
pub(crate) use state::StateDir;
pub(crate) use tls::{TlsFiles, certificates, roots};

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use axum::Router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use access::Access;
use connections::Listener;
use fleet::{Fleet, written};
use metrics::{Metrics, Number};
use problem::Problem;
use publication::Publication;
use publisher::{Publisher, Wake};
use records::Audit;
use seldom::Lines;
use tls::Tls;

/// The most connections at once to look after the companion: room of their own, so that its health is seen when all others are taken.
const MAX_ADMIN: usize = 128;

/// Files that stay free for the companion itself: what it reads, writes, watches and asks.
const OWN_FILES: usize = 128;

/// What is wrong where policy asks for what this companion does not do.
const NO_RECORDS: &str = "with `overflow: required` the policy lets nothing go on that is not recorded, and this companion takes no records: start it \
     with `--audit`, or proxies refuse everything when they have no more room";

/// How long the last publication has to get to the disk when the companion ends.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// What the companion is to do.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) source: Source,
    pub(crate) state: Option<StateDir>,
    pub(crate) listen: SocketAddr,
    /// Where health, metrics and the fleet are shown, without TLS.
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) tls: Option<TlsFiles>,
    /// Who may fetch bundles besides those for its own namespace, where clients show certificates.
    pub(crate) grants: Vec<Grant>,
    /// Where records of exchanges go, if they are taken.
    pub(crate) audit: Option<AuditOptions>,
    pub(crate) poll: Duration,
    pub(crate) max_connections: usize,
}

/// What every part sees.
#[derive(Debug)]
struct Companion {
    published: watch::Sender<Option<Arc<Publication>>>,
    stopping: watch::Sender<bool>,
    access: Access,
    /// Whether proxies may send their records here.
    takes_records: bool,
    lines: Lines,
    fleet: Fleet,
    metrics: Metrics,
    /// What is wrong, by what it is wrong with.
    problems: Mutex<Vec<(&'static str, Problem)>>,
    /// When something was last published, or restored.
    since: Mutex<Option<SystemTime>>,
}

type Subscription = watch::Receiver<Option<Arc<Publication>>>;

/// Counts something while it lasts.
struct Counted<'a>(&'a Number);

/// `/readyz`.
#[derive(Serialize)]
struct Readiness<'a> {
    status: &'a str,
    serial: Option<u64>,
    since: Option<String>,
    /// Left out for those who may not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'a [Problem]>,
}

/// Serves until a signal ends it.
pub(crate) fn run(options: Options) -> Result<(), String> {
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(|why| why.to_string())?;
    let ended = runtime.block_on(serve(options));
    // A build that is under way does not keep the process.
    runtime.shutdown_background();
    ended
}

async fn serve(options: Options) -> Result<(), String> {
    let most = most_connections(options.max_connections);
    let certified = options.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let companion = Arc::new(Companion::new(Access::new(certified, options.grants), options.audit.is_some()));
    let tls = options.tls.map(Tls::load).transpose()?.map(Arc::new);
    let audit =
        options.audit.map(|audit| Audit::start(audit, certified, &companion)).transpose()?.map(Arc::new);
    let registry = options.source.registry().cloned();
    let (mut publisher, wake) =
        Publisher::new(options.source, options.state, options.poll, Arc::clone(&companion));
    publisher.restore()?;
    let router = routes::all(Arc::clone(&companion), audit);
    let mut listeners = vec![bind(options.listen, router, most, tls.clone(), &companion).await?];
    if let Some(address) = options.admin {
        let router = routes::administration(Arc::clone(&companion));
        listeners.push(bind(address, router, MAX_ADMIN, None, &companion).await?);
    }
    for (listener, what) in listeners.iter().zip(["serving", "administration"]) {
        let address = listener.socket.local_addr().map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(address, tls = listener.tls.is_some(), "{what}");
    }
    let publishing = thread::Builder::new().name("publisher".to_owned()).spawn(move || publisher.run());
    let publishing = publishing.map_err(|why| why.to_string())?;
    if let Some(registry) = registry {
        let (companion, wake) = (Arc::clone(&companion), wake.clone());
        let looking = move || registry.follow(options.poll, &companion, &wake);
        // It ends with the process: what it waits for may take long, and nothing is lost.
        thread::Builder::new().name("registry".to_owned()).spawn(looking).map_err(|why| why.to_string())?;
    }
    if let Some(tls) = tls {
        let companion = Arc::clone(&companion);
        tokio::spawn(async move { tls.keep_current(&companion).await });
    }
    let listeners: Vec<_> = listeners.into_iter().map(|listener| tokio::spawn(listener.run())).collect();
    stop_signal().await?;
    tracing::info!("stopping");
    companion.stopping.send_replace(true);
    // A full channel wakes it as well, and then it sees that it is to stop.
    let _ = wake.try_send(Wake::Stop);
    for listener in listeners {
        let _ = listener.await;
    }
    // What is being written is finished; a build that takes long is not waited for.
    let _ = timeout(LAST_WRITE, spawn_blocking(|| publishing.join())).await;
    tracing::info!("stopped");
    Ok(())
}

async fn bind(
    address: SocketAddr,
    router: Router,
    most: usize,
    tls: Option<Arc<Tls>>,
    companion: &Arc<Companion>,
) -> Result<Listener, String> {
    let socket = TcpListener::bind(address).await;
    let socket = socket.map_err(|why| format!("`{address}` can not be listened on: {why}"))?;
    let (companion, room) = (Arc::clone(companion), Arc::new(Semaphore::new(most)));
    Ok(Listener { socket, router, tls, room, companion })
}

/// How many connections filters may have at once. As many files are taken as the system grants, and enough of them are left for those who look after
/// the companion and for itself: filters that take the last one would hide that they do.
fn most_connections(wanted: usize) -> usize {
    let limits = getrlimit(Resource::Nofile);
    // Where that is not allowed, fewer connections must do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, maximum: limits.maximum });
    let Some(files) = getrlimit(Resource::Nofile).current else { return wanted };
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    // Of very few, half.
    let most = wanted.min(files.saturating_sub(MAX_ADMIN + OWN_FILES).max(files / 2));
    if most < wanted {
        tracing::warn!(wanted, most, "fewer connections than asked for: the system grants few files");
    }
    most
}

/// Waits for the signal to stop.
async fn stop_signal() -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|why| why.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|why| why.to_string())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

// === impl Companion ===

impl Companion {
    fn new(access: Access, takes_records: bool) -> Self {
        Self {
            published: watch::Sender::new(None),
            stopping: watch::Sender::new(false),
            access,
            takes_records,
            lines: Lines::default(),
            fleet: Fleet::default(),
            metrics: Metrics::default(),
            problems: Mutex::default(),
            since: Mutex::default(),
        }
    }

    /// From now on, this is what is served.
    fn publish(&self, publication: Arc<Publication>) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(SystemTime::now());
        self.metrics.published();
        if !self.takes_records {
            let refused = publication.requires_records().then(|| Problem::new("audit", NO_RECORDS));
            self.problem("audit", refused);
        }
        self.published.send_replace(Some(publication));
    }

    /// Says what is wrong with one thing, or that nothing is any more.
    fn problem(&self, with: &'static str, problem: Option<Problem>) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let known = problems.iter().find(|(known, _)| *known == with).map(|(_, problem)| problem);
        if known == problem.as_ref() {
            return;
        }
        match &problem {
            Some(problem) => tracing::error!(
                with,
                kind = problem.kind,
                count = problem.count(),
                places = problem.places(),
                "{}",
                problem.message
            ),
            None => tracing::info!(with, "all is well again"),
        }
        problems.retain(|(known, _)| *known != with);
        problems.extend(problem.map(|problem| (with, problem)));
    }

    fn problems(&self) -> Vec<(&'static str, Problem)> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn serial(&self) -> Option<u64> {
        self.published.borrow().as_ref().map(|publication| publication.serial())
    }

    /// The serial of what each audience is sent.
    fn serials(&self) -> impl Fn(&str) -> Option<u64> + use<> {
        let published = self.published.borrow().clone();
        move |audience| published.as_ref()?.serial_for(audience)
    }

    /// Whether requests can be answered with bundles, and the page that says so; in full, it says what is wrong, and where.
    fn readiness(&self, in_full: bool) -> (bool, String) {
        let problems: Vec<_> = self.problems().into_iter().map(|(_, problem)| problem).collect();
        let serial = self.serial();
        let status = match (*self.stopping.borrow(), serial, problems.is_empty()) {
            (true, ..) => "stopping",
            (_, None, _) => "waiting",
            (_, _, true) => "ready",
            _ => "degraded",
        };
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let page =
            Readiness { status, serial, since: since.map(written), problems: in_full.then_some(&problems) };
        (matches!(status, "ready" | "degraded"), serde_json::to_string_pretty(&page).unwrap_or_default())
    }

    fn wait(&self) -> Counted<'_> {
        Counted::new(&self.metrics.waiting)
    }

    fn connection(&self) -> Counted<'_> {
        Counted::new(&self.metrics.connections)
    }
}

impl<'a> Counted<'a> {
    fn new(number: &'a Number) -> Self {
        number.add(1);
        Self(number)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.subtract(1);
    }
}
