//! Connections, and their limits: how many, how long they may take to say something, how long they stay.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::Companion;
use super::access::Peer;
use super::routes::MAX_WAIT;
use super::tls::{Tls, spiffe_id};

/// How long a client may take for the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take until its first request is there.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// How long a connection may be without a request; also the longest that one's headers, or a client's reading of an answer, may take.
const IDLE: Duration = Duration::from_secs(60);
/// After how long a connection is asked to end, so that it does not outlive its certificate, and that clients find new replicas.
const AGE: Duration = Duration::from_secs(30 * 60);
/// How long a connection has to end when the program does, or when it was idle.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long one has that is old: whoever waits for news on it is still to be answered.
const LONG_FAREWELL: Duration = MAX_WAIT.saturating_add(FAREWELL);
/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// The most headers of a request.
const MAX_HEADERS: usize = 64;
/// The most requests at once on one connection of HTTP/2: an Envoy waits on one for many filters.
const MAX_STREAMS: u32 = 256;
/// How often a silent peer of HTTP/2 is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// How long to pause when no connection can be taken, as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// What takes connections at one address.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) router: Router,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) room: Arc<Semaphore>,
    pub(super) companion: Arc<Companion>,
}

/// What happens on a connection.
#[derive(Clone)]
struct Activity(Arc<Mutex<State>>);

struct State {
    requests: usize,
    /// Since when there was none, or none yet.
    idle_since: Instant,
    any: bool,
}

/// One request that is being answered.
struct Request_(Activity);

impl Activity {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State { requests: 0, idle_since: Instant::now(), any: false })))
    }

    fn begin(&self) -> Request_ {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        state.any = true;
        Request_(self.clone())
    }

    /// When the connection is to be ended unless something happens.
    fn deadline(&self) -> Instant {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = if state.requests > 0 { Instant::now() } else { state.idle_since };
        since + if state.any { IDLE } else { FIRST_REQUEST }
    }
}

impl Drop for Request_ {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests = state.requests.saturating_sub(1);
        state.idle_since = Instant::now();
    }
}

impl Listener {
    /// Takes connections until the companion stops; then lets them end, and cuts those that do not.
    pub(super) async fn run(self) {
        let mut stopping = self.companion.stopping.subscribe();
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = connections.join_next(), if !connections.is_empty() => continue,
                _ = stopping.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, address)) => self.take(stream, address, &mut connections),
                Err(why) => {
                    tracing::warn!(%why, "a connection can not be taken");
                    sleep(PAUSE).await;
                }
            }
        }
        drop(self.socket);
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(FAREWELL, all).await.is_err() {
            connections.shutdown().await;
        }
    }

    fn take(&self, stream: TcpStream, address: SocketAddr, connections: &mut JoinSet<()>) {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            self.companion.metrics.refused_connections.add(1);
            return;
        };
        let (companion, router, tls) = (Arc::clone(&self.companion), self.router.clone(), self.tls.clone());
        connections.spawn(async move {
            let _permit = permit;
            let _counted = companion.connection();
            let _ = stream.set_nodelay(true);
            match tls {
                None => serve(stream, Peer::default(), router, &companion).await,
                Some(tls) => match timeout(HANDSHAKE, handshake(&tls, stream)).await {
                    Ok(Ok((stream, peer))) => serve(stream, peer, router, &companion).await,
                    outcome => {
                        companion.metrics.handshakes_failed.add(1);
                        if companion.lines.handshakes.tells() {
                            let why = outcome.map_or_else(
                                |_| "timeout".to_owned(),
                                |done| done.err().map_or(String::new(), |why| why.to_string()),
                            );
                            tracing::info!(%address, why, "no TLS");
                        }
                    }
                },
            }
        });
    }
}

async fn handshake(
    tls: &Tls,
    stream: TcpStream,
) -> io::Result<(tokio_rustls::server::TlsStream<TcpStream>, Peer)> {
    let current = tls.current();
    let stream = TlsAcceptor::from(Arc::clone(&current.config)).accept(stream).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let id = certificate.and_then(spiffe_id);
    let is_ours =
        id.as_ref().is_some_and(|id| current.home.as_ref().is_none_or(|home| home == id.trust_domain()));
    Ok((stream, Peer { id: id.map(Arc::new), is_ours }))
}

/// Answers the requests of one connection, HTTP/1.1 or HTTP/2, as it begins.
async fn serve<S>(stream: S, peer: Peer, router: Router, companion: &Companion)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new();
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        let begun = activity.begin();
        request.extensions_mut().insert(peer.clone());
        let answer = router.call(request.map(Body::new));
        async move {
            let answer = answer.await;
            drop(begun);
            answer
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // The time for a head counts from the end of the last answer.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(FAREWELL);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut stopping = companion.stopping.subscribe();
    let oldest = Instant::now() + AGE;
    let mut farewell = FAREWELL;
    loop {
        let deadline = activity.deadline();
        tokio::select! {
            // How it ended is the client's affair.
            _ = connection.as_mut() => return,
            _ = stopping.wait_for(|stop| *stop) => break,
            () = sleep_until(deadline.min(oldest)) => {
                let now = Instant::now();
                if now >= oldest {
                    farewell = LONG_FAREWELL;
                    break;
                }
                if activity.deadline() <= now {
                    companion.metrics.cut_connections.add(1);
                    break;
                }
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let stop = async { drop(stopping.wait_for(|stop| *stop).await) };
    tokio::select! {
        _ = timeout(farewell, connection.as_mut()) => {}
        // The program does not wait for those who wait for news.
        () = stop => drop(timeout(FAREWELL, connection).await),
    }
}
