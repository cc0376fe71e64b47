//! What is answered to which request.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Extension, Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use sallyport_engine::bundle::{BundleError, FORMAT};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::Companion;
use super::access::Peer;
use super::conditional::{Asked, etag};
use super::publication::Served;
use super::records::{self, Audit};
use crate::{Audience, registry};

/// The longest that a request may wait for a change.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(60);
/// What a bundle is called on the wire.
const BUNDLE: HeaderValue = HeaderValue::from_static(registry::BUNDLE);
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4");
const SERIAL: HeaderName = HeaderName::from_static("x-sallyport-serial");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What is answered to one who asks for a bundle, as things are.
enum Answer {
    /// Something that it does not have.
    Fresh(Arc<Served>),
    /// It has what there is.
    Same(Arc<Served>),
    /// It has something newer than there is here.
    Ahead(u64),
    /// Nothing was published yet.
    Nothing,
    /// There is none for it.
    Nobody,
    /// It could not use it.
    TooOld(String),
    /// None can be made.
    Failed(BundleError),
}

/// What is said when something is not as asked.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upgrade: Option<&'a str>,
}

/// What is seen of the companion as a whole: whom it serves, how it fares, what is wrong with the policy.
#[derive(Clone)]
struct Watched {
    companion: Arc<Companion>,
    /// Whether whoever gets here may see it: at a listener of its own, the network says who does.
    by_anybody: bool,
}

/// Everything that the companion answers.
pub(super) fn all(companion: Arc<Companion>, audit: Option<Arc<Audit>>) -> Router {
    let records = audit.map(|audit| records::route(audit, Arc::clone(&companion)));
    let bundles = Router::new()
        .route("/v1/bundle", get(whole))
        .route("/v1/bundle/{namespace}", get(of_namespace))
        .route("/v1/bundle/{namespace}/{workload}", get(of_workload))
        .with_state(Arc::clone(&companion));
    let rest = bundles.merge(watched(Watched { companion, by_anybody: false }));
    records.into_iter().fold(rest, Router::merge)
}

/// What looks after the companion asks; no certificate is needed for it where there is a listener of its own.
pub(super) fn administration(companion: Arc<Companion>) -> Router {
    watched(Watched { companion, by_anybody: true })
}

fn watched(watched: Watched) -> Router {
    Router::new()
        .route("/healthz", get(async || answer(StatusCode::OK, TEXT, "ok\n".to_owned())))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/fleet", get(fleet))
        .fallback(async || refuse(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path", None))
        .with_state(watched)
}

impl Watched {
    /// What this client may see of everybody: the companion, if it is of those who may fetch every bundle.
    fn shown_to(&self, peer: &Peer) -> Result<&Companion, Box<Response>> {
        if self.shows_all(peer) {
            return Ok(&self.companion);
        }
        let message =
            "whom the companion is told with --authorize PATTERN=* may see this, and who reaches its --admin";
        Err(Box::new(refuse(StatusCode::FORBIDDEN, "identity", message, None)))
    }

    fn shows_all(&self, peer: &Peer) -> bool {
        self.by_anybody || self.companion.access.allows(peer, None)
    }
}

async fn ready(State(watched): State<Watched>, peer: Extension<Peer>) -> Response {
    let (is_ready, page) = watched.companion.readiness(watched.shows_all(&peer));
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(status, JSON, page)
}

async fn metrics(State(watched): State<Watched>, peer: Extension<Peer>) -> Response {
    let companion = match watched.shown_to(&peer) {
        Ok(companion) => companion,
        Err(refused) => return *refused,
    };
    let counts = companion.fleet.counts(companion.serials());
    let page = companion.metrics.text(companion.serial(), counts, &companion.problems());
    answer(StatusCode::OK, TEXT, page)
}

async fn fleet(State(watched): State<Watched>, peer: Extension<Peer>) -> Response {
    match watched.shown_to(&peer) {
        Ok(companion) => {
            answer(StatusCode::OK, JSON, companion.fleet.json(companion.serial(), companion.serials()))
        }
        Err(refused) => *refused,
    }
}

type Shared = State<Arc<Companion>>;

async fn whole(companion: Shared, peer: Extension<Peer>, method: Method, headers: HeaderMap) -> Response {
    bundle(companion, &peer, &method, "", &headers).await
}

async fn of_namespace(
    companion: Shared,
    peer: Extension<Peer>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    bundle(companion, &peer, &method, &name, &headers).await
}

async fn of_workload(
    companion: Shared,
    peer: Extension<Peer>,
    Path((namespace, workload)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    bundle(companion, &peer, &method, &format!("{namespace}/{workload}"), &headers).await
}

async fn bundle(
    State(companion): Shared,
    peer: &Peer,
    method: &Method,
    name: &str,
    headers: &HeaderMap,
) -> Response {
    let asked = Asked::of(headers);
    let response = match (name, Audience::parse(name)) {
        ("", _) => admit(&companion, &asked, peer, None).await,
        (_, Ok(audience)) => admit(&companion, &asked, peer, Some(audience)).await,
        (_, Err(why)) => refuse(StatusCode::NOT_FOUND, "audience", &why.to_string(), None),
    };
    let status = response.status().as_u16();
    companion.metrics.answered(status);
    // The head alone is sent where only that was asked for.
    if response.status() == StatusCode::OK && *method != Method::HEAD {
        let length = response.body().size_hint().exact().unwrap_or(0);
        companion.metrics.sent_bytes.add(usize::try_from(length).unwrap_or(usize::MAX));
    }
    tracing::debug!(
        status,
        audience = name,
        node = asked.node,
        peer = peer.name(),
        serial = asked.serial,
        "answered"
    );
    response
}

/// Answers those who may have what they ask for.
async fn admit(companion: &Companion, asked: &Asked, peer: &Peer, audience: Option<Audience>) -> Response {
    if companion.access.allows(peer, audience.as_ref()) {
        return wait(companion, asked, peer, audience).await;
    }
    if companion.lines.denied.tells() {
        let audience = audience.as_ref().map(ToString::to_string);
        tracing::warn!(peer = peer.name(), audience, "somebody asks for a bundle that is not for it");
    }
    let message = "a certificate with one SPIFFE ID `spiffe://…/ns/NAMESPACE/sa/…` fetches the bundles for that namespace; \
                   for others, the companion must be told with --authorize";
    refuse(StatusCode::FORBIDDEN, "identity", message, None)
}

/// Answers when there is something new, or when the time is over that the client waits.
async fn wait(companion: &Companion, asked: &Asked, peer: &Peer, audience: Option<Audience>) -> Response {
    let name = audience.as_ref().map(ToString::to_string).unwrap_or_default();
    if companion.fleet.note(asked, &name, peer.id.as_ref()) && companion.lines.refused.tells() {
        tracing::warn!(
            node = asked.node,
            audience = name,
            peer = peer.name(),
            code = asked.refused,
            serial = asked.serial,
            "a filter refused what it was sent"
        );
    }
    let deadline = Instant::now() + asked.wait.unwrap_or_default().min(MAX_WAIT);
    let mut published = companion.published.subscribe();
    let mut stopping = companion.stopping.subscribe();
    loop {
        let answer = judge(asked, audience.as_ref(), &mut published).await;
        let waits = matches!(answer, Answer::Same(_) | Answer::Ahead(_) | Answer::Nothing);
        if !waits || *stopping.borrow() || Instant::now() >= deadline {
            let sent = match &answer {
                Answer::Fresh(served) => Some(served.serial),
                // It will not take what it is too old for.
                Answer::TooOld(_) => companion.serials()(&name),
                _ => None,
            };
            if let Some(serial) = sent {
                companion.fleet.sent(asked, &name, peer.id.as_ref(), serial);
            }
            return respond(asked, answer).await;
        }
        let waiting = companion.wait();
        let change = async {
            tokio::select! {
                changed = published.changed() => changed.is_ok(),
                stopped = stopping.wait_for(|stop| *stop) => stopped.is_ok(),
            }
        };
        let changed = timeout_at(deadline, change).await;
        drop(waiting);
        if changed.is_err() {
            // It is still there.
            companion.fleet.note(asked, &name, peer.id.as_ref());
        }
    }
}

/// What there is for the client now.
async fn judge(asked: &Asked, audience: Option<&Audience>, published: &mut super::Subscription) -> Answer {
    let Some(publication) = published.borrow_and_update().clone() else { return Answer::Nothing };
    let served = match publication.bundle(audience).await {
        Ok(Some(served)) => served,
        Ok(None) => return Answer::Nobody,
        Err(why) => return Answer::Failed(why),
    };
    if asked.engine.is_some_and(|engine| engine < served.engine) {
        return Answer::TooOld(format!("the bundle needs engine {}", served.engine));
    }
    if asked.format.is_some_and(|format| format != FORMAT) {
        return Answer::TooOld(format!("the bundle is of format {FORMAT}"));
    }
    if asked.has(&served.tag) {
        return Answer::Same(served);
    }
    match asked.serial {
        Some(serial) if serial > served.serial => Answer::Ahead(served.serial),
        _ => Answer::Fresh(served),
    }
}

async fn respond(asked: &Asked, answer: Answer) -> Response {
    let response = match answer {
        Answer::Fresh(served) => fresh(asked, &served).await,
        Answer::Same(served) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            describe(response.headers_mut(), &served, asked.gzip);
            response
        }
        Answer::Ahead(serial) => {
            let message = format!(
                "this replica has serial {serial}, which is older than yours: look at its /readyz and at the clocks of who edits policy"
            );
            refuse(StatusCode::CONFLICT, "behind", &message, None)
        }
        Answer::Nothing => {
            let message = "nothing was published yet: /readyz says why";
            let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, "nothing_published", message, None);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        Answer::Nobody => {
            let message = "there is no bundle for this audience, its namespace or everybody";
            refuse(StatusCode::NOT_FOUND, "audience", message, None)
        }
        Answer::TooOld(why) => {
            let upgrade = "deploy the filter's module of the companion's release";
            refuse(StatusCode::CONFLICT, "engine", &why, Some(upgrade))
        }
        Answer::Failed(why) => {
            tracing::error!(%why, "no bundle can be made for an audience");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, why.code(), &why.to_string(), None)
        }
    };
    applied(response, asked)
}

async fn fresh(asked: &Asked, served: &Served) -> Response {
    let bytes = if asked.gzip { served.gzip().await } else { served.bytes.clone() };
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, BUNDLE);
    if asked.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    describe(headers, served, asked.gzip);
    response
}

fn describe(headers: &mut HeaderMap, served: &Served, gzip: bool) {
    if let Ok(tag) = HeaderValue::from_str(&etag(&served.tag, gzip)) {
        headers.insert(ETAG, tag);
    }
    headers.insert(SERIAL, HeaderValue::from(served.serial));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
}

/// Says that waiting was understood.
fn applied(mut response: Response, asked: &Asked) -> Response {
    if asked.wait.is_some() {
        response.headers_mut().insert(APPLIED, HeaderValue::from_static("wait"));
    }
    response
}

pub(super) fn refuse(status: StatusCode, error: &str, message: &str, upgrade: Option<&str>) -> Response {
    let refusal = Refusal { error, message, upgrade };
    answer(status, JSON, serde_json::to_string(&refusal).unwrap_or_default())
}

pub(super) fn answer(status: StatusCode, kind: HeaderValue, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
