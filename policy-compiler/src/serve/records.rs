//! `POST /v1/records`: what proxies tell of exchanges, into the audit store.
//!
//! A batch is acknowledged when it is durable, and only then. Whom it is from is said by the certificate, where there are any.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::post;
use http_body_util::LengthLimitError;
use sallyport_engine::identity::SpiffePattern;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Companion;
use super::access::Peer;
use super::conditional::Asked;
use super::problem::{Problem, cut};
use super::routes::{JSON, answer, refuse};
use crate::audit::exporter::{self, Sink};
use crate::audit::{
    Answer, Batch, BatchError, Epoch, MAX_BODY, Outcome, Proxy, Settings, Told, Writer, totals,
};

/// How long a body may take to come in.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// The most bodies that are read or wait for the disk at once.
const MAX_BODIES: usize = 256;
/// What a batch is called on the wire.
const LINES: &str = "application/x-ndjson";

/// What is asked of audit when the companion starts.
#[derive(Debug)]
pub(crate) struct AuditOptions {
    pub(crate) settings: Settings,
    /// Who may send records; anybody whose certificate is good, if nobody is named.
    pub(crate) senders: Vec<SpiffePattern>,
    /// Whom they are handed on to.
    pub(crate) sinks: Vec<Sink>,
}

/// What takes records in.
#[derive(Debug)]
pub(super) struct Audit {
    writer: Writer,
    senders: Vec<SpiffePattern>,
    /// Whether every client shows a certificate.
    certified: bool,
    room: Semaphore,
}

/// How the writer's thread reaches the companion.
struct Voice(Arc<Companion>);

/// What is wrong with those who hand records on, by their names: one that is well does not hide another that is not.
struct Faults {
    companion: Arc<Companion>,
    of: Mutex<BTreeMap<&'static str, String>>,
}

/// An answer that is no acknowledgement.
struct Refusal {
    status: StatusCode,
    error: &'static str,
    message: String,
}

pub(super) fn route(audit: Arc<Audit>, companion: Arc<Companion>) -> Router {
    Router::new().route("/v1/records", post(records)).with_state((companion, audit))
}

type Shared = State<(Arc<Companion>, Arc<Audit>)>;

async fn records(
    State((companion, audit)): Shared,
    peer: Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let node = Asked::of(&headers).node;
    match audit.take(&peer, node.as_deref(), &headers, body).await {
        Ok(last) => answer(StatusCode::OK, JSON, format!("{{\"acknowledged\":{last}}}")),
        Err(refusal) => {
            let Refusal { status, error, message } = refusal;
            companion.metrics.audit.refused();
            let status_code = status.as_u16();
            if status == StatusCode::SERVICE_UNAVAILABLE {
                tracing::debug!(status = status_code, error, "records can not be taken now");
            } else if companion.lines.records.tells() {
                tracing::warn!(
                    status = status_code,
                    error,
                    why = message,
                    node,
                    peer = peer.0.name(),
                    "records were refused"
                );
            }
            let mut response = refuse(status, error, &message, None);
            if status == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            response
        }
    }
}

impl Audit {
    /// Starts what writes records.
    pub(super) fn start(
        options: AuditOptions,
        certified: bool,
        companion: &Arc<Companion>,
    ) -> Result<Self, String> {
        let store = &options.settings.store;
        let faults = Arc::new(Faults { companion: Arc::clone(companion), of: Mutex::default() });
        let collector = options.sinks.iter().find_map(Sink::collector);
        for sink in options.sinks {
            exporter::start(store.clone(), sink.clone(), faults.voice(sink.word()))?;
        }
        let tally = Arc::clone(&companion.metrics.audit);
        totals::start(store.clone(), Arc::clone(&tally), collector, faults.voice("metrics"))?;
        let writer = Writer::start(options.settings, Box::new(Voice(Arc::clone(companion))), tally)?;
        Ok(Self { writer, senders: options.senders, certified, room: Semaphore::new(MAX_BODIES) })
    }

    /// Takes a batch in; the number up to which everything in it is durable.
    async fn take(
        &self,
        peer: &Peer,
        node: Option<&str>,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<u64, Refusal> {
        let proxy = self.sender(peer, node)?;
        let said = Said::of(headers)?;
        let busy = || unavailable("too many bodies are being read");
        let _room = self.room.try_acquire().map_err(|_| busy())?;
        let read = timeout(BODY_PATIENCE, to_bytes(body, MAX_BODY)).await;
        let read = read
            .map_err(|_| refusal(StatusCode::REQUEST_TIMEOUT, "slow", "the body did not come within 10 s"))?;
        let bytes = read.map_err(|why| unread(&why))?;
        let node = node.unwrap_or_default().to_owned();
        let batch =
            Batch::parse(proxy, node, said.epoch, said.first, said.dropped, &bytes).map_err(malformed)?;
        let last = batch.last();
        match self.writer.store(batch).await {
            Answer::Done(Outcome::Stored(_)) => Ok(last),
            Answer::Done(Outcome::Conflict(seq)) => {
                let message = format!("record {seq} of this epoch was stored with other bytes");
                Err(refusal(StatusCode::CONFLICT, "conflict", message))
            }
            Answer::Done(Outcome::TooManyProxies) => Err(unavailable("there is no room for another proxy")),
            Answer::Done(Outcome::Foreign) => {
                Err(unavailable("the chain of this proxy is not ours to continue"))
            }
            Answer::Unavailable => Err(unavailable("the audit store can not write now")),
        }
    }

    /// Whom records of this connection are bound to.
    fn sender(&self, peer: &Peer, node: Option<&str>) -> Result<Proxy, Refusal> {
        let forbidden = |message: &str| refusal(StatusCode::FORBIDDEN, "identity", message);
        if !self.certified {
            let wanted = "name the proxy in `x-sallyport-node`";
            return node
                .and_then(Proxy::unverified)
                .ok_or_else(|| refusal(StatusCode::BAD_REQUEST, "node", wanted));
        }
        let id = peer.id.as_deref().ok_or_else(|| forbidden("the certificate names no single SPIFFE ID"))?;
        if !self.senders.is_empty() && !self.senders.iter().any(|sender| sender.matches(id)) {
            return Err(forbidden("this identity may not send records"));
        }
        Proxy::verified(id.as_str())
            .ok_or_else(|| forbidden("the certificate's SPIFFE ID is not well-formed"))
    }
}

/// What the headers say of a batch.
struct Said {
    epoch: Epoch,
    first: u64,
    dropped: u64,
}

impl Said {
    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let bad = |what: &str| refusal(StatusCode::BAD_REQUEST, "header", what);
        let one = |name: &str| {
            let mut all = headers.get_all(name).iter();
            let text = all.next().and_then(|value| value.to_str().ok());
            text.filter(|_| all.next().is_none())
        };
        if one(CONTENT_TYPE.as_str()) != Some(LINES) {
            return Err(refusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content_type",
                format!("send `{LINES}`"),
            ));
        }
        let number = |name: &str| {
            let digits =
                one(name).filter(|text| text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit()));
            digits
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| bad(&format!("`{name}` is missing, or is no number")))
        };
        let epoch = one("sallyport-audit-epoch").and_then(Epoch::parse);
        Ok(Self {
            epoch: epoch
                .ok_or_else(|| bad("`sallyport-audit-epoch` must be 32 hexadecimal digits in lower case"))?,
            first: number("sallyport-audit-first")?,
            dropped: number("sallyport-audit-dropped")?,
        })
    }
}

impl Faults {
    /// What one of those who hand on says what is wrong with.
    fn voice(self: &Arc<Self>, whose: &'static str) -> exporter::Problem {
        let faults = Arc::clone(self);
        Box::new(move |why| faults.say(whose, why))
    }

    fn say(&self, whose: &'static str, why: Option<String>) {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => drop(of.insert(whose, why)),
            None => drop(of.remove(whose)),
        }
        let first = of.iter().next().map(|(whose, why)| format!("{whose}: {why}"));
        self.companion.problem("export", first.map(|why| Problem::new("export", cut(&why))));
    }
}

impl Told for Voice {
    fn problem(&self, why: Option<String>) {
        self.0.problem("audit", why.map(|why| Problem::new("audit", cut(&why))));
    }
}

fn refusal(status: StatusCode, error: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { status, error, message: message.into() }
}

fn unavailable(message: &str) -> Refusal {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}

fn too_large(message: &str) -> Refusal {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}

/// A body that could not be read to its end.
fn unread(why: &axum::Error) -> Refusal {
    if why.source().is_some_and(|why| why.is::<LengthLimitError>()) {
        return too_large("the body is longer than 256 KiB");
    }
    refusal(StatusCode::BAD_REQUEST, "malformed", "the body is cut short, or its chunks are none")
}

fn malformed(why: BatchError) -> Refusal {
    match why {
        BatchError::TooLarge(what) => too_large(what),
        other => refusal(StatusCode::BAD_REQUEST, "malformed", other.to_string()),
    }
}
