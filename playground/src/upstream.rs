//! The workload behind the gate: an HTTP/1.1 and h2c server that records what reaches it and answers as told.
//!
//! It runs in a thread of its own on 127.0.0.1 and ends with its value. It remembers the last [`MAX_SEEN`] requests; a body
//! over [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES) is cut off and reported by [`Upstream::faults`].

mod answer;
mod record;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub use answer::Answer;
pub use record::{MAX_SEEN, Seen};

use record::Record;

/// Flow-control windows of h2c, in bytes: the upstream must never be what slows a body down.
const WINDOW_BYTES: u32 = 64 << 20;

/// The most header fields the upstream accepts over HTTP/1.1.
const MAX_HEADERS: usize = 512;

/// The upstream could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the upstream on 127.0.0.1: {0}")]
pub struct UpstreamError(#[from] std::io::Error);

/// A running upstream.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    record: Arc<Record>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Upstream ===

impl Upstream {
    /// Starts on a port that the system chooses.
    pub fn start(answer: Answer) -> Result<Self, UpstreamError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let record = Arc::new(Record::new(answer));
        let (stop, stopped) = oneshot::channel();
        let shared = record.clone();
        let thread = std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, record, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the answer for requests to come.
    pub fn answer_with(&self, answer: Answer) {
        self.record.set_answer(answer);
    }

    /// The requests since the last call, oldest first, those still under way included.
    pub fn take(&self) -> Vec<Seen> {
        self.record.take()
    }

    /// Waits until at least `count` requests have wholly arrived since the last [`take`](Self::take), or until `timeout`;
    /// says whether they have.
    pub fn wait_for(&self, count: usize, timeout: Duration) -> bool {
        self.record.wait_for(count, timeout)
    }

    /// What went wrong since the last call: requests that were not HTTP to this server (and so were not recorded) and
    /// bodies too large. Empty in a sound test.
    pub fn faults(&self) -> Vec<String> {
        self.record.take_faults()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Fails only if the thread has ended already.
            let _ended_already = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn accept(listener: std::net::TcpListener, record: Arc<Record>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return record.fault(format!("cannot listen: {error}")),
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, record.clone()))),
            // Out of file descriptors, most likely: a moment later there may be some.
            Err(error) => {
                record.fault(format!("cannot accept a connection: {error}"));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, record: Arc<Record>) {
    // Without it small answers would wait for the peer's acknowledgement; with an error there they merely do.
    drop(stream.set_nodelay(true));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().auto_date_header(false).max_headers(MAX_HEADERS).half_close(true);
    builder
        .http2()
        .auto_date_header(false)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(1 << 20);
    let service = service_fn(|request| answer::exchange(record.clone(), request));
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await
        && is_fault(error.as_ref())
    {
        record.fault(format!("a request that this server cannot read: {error}"));
    }
}

/// A peer may cut a connection or a stream at any time: a denied request ends so. Only what we could not parse is a fault.
fn is_fault(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<hyper::Error>()
        .is_some_and(|error| error.is_parse() && !error.is_incomplete_message())
}
