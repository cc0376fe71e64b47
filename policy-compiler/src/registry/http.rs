//! One request to a registry, or to whom it sends us: HTTP/1.1, with TLS or without, on a connection of its own.
//!
//! Nothing is held between requests. A push is some ten of them, a look at a tag one: a pool would save little, and a connection that
//! went stale meanwhile could not be told from a registry that fails.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderName, LOCATION, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::progress::Meter;
use super::reference::split_port;
use super::{Access, Failure};
use crate::serve::roots;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take to begin, and each part of it to come.
const ANSWER: Duration = Duration::from_secs(30);
/// The least speed of an upload that is waited for, in bytes per second.
const SLOWEST: u64 = 64 * 1024;
/// How often a request is sent on to somewhere else.
const MAX_REDIRECTS: usize = 5;
/// How much of a body is handed on at once.
const PIECE: usize = 64 * 1024;
/// The longest that a registry may have us wait.
const MAX_WAIT: Duration = Duration::from_secs(30);
const AGENT: &str = concat!("sallyport-policy-compiler/", env!("CARGO_PKG_VERSION"));

/// An address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Url {
    pub(super) secure: bool,
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The longest answer.
    pub(super) most: usize,
    pub(super) sent: Option<Meter>,
    pub(super) received: Option<Meter>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// How connections are made.
#[derive(Clone, Debug)]
pub(super) struct Http {
    tls: Option<Arc<ClientConfig>>,
}

/// A body that is handed on piece by piece, so that it can be watched.
struct Pieces {
    left: Bytes,
    meter: Option<Meter>,
}

// === impl Url ===

impl Url {
    /// An address that a registry gave us, which may be relative to where it was given.
    pub(super) fn given(text: &str, base: &Self) -> Result<Self, Failure> {
        let wrong = || Failure::Final("the registry sends us to an address that is none".to_owned());
        if text.starts_with('/') && !text.starts_with("//") {
            let path = text.parse::<Uri>().map_err(|_| wrong())?.path_and_query().map(ToString::to_string);
            return Ok(Self { path: path.ok_or_else(wrong)?, ..base.clone() });
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            // What began with TLS does not go on without.
            Some("http") if !base.secure => false,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(wrong)?.to_string();
        let path = uri.path_and_query().map_or("/".to_owned(), ToString::to_string);
        Ok(Self { secure, authority, path })
    }

    /// With one more parameter; its value must need no escapes.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let sign = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{sign}{name}={value}", self.path);
        self
    }

    pub(super) fn host(&self) -> &str {
        split_port(&self.authority).0
    }

    fn port(&self) -> Option<u16> {
        split_port(&self.authority)
            .1
            .map_or(Some(if self.secure { 443 } else { 80 }), |port| port.parse().ok())
    }

    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        (self.secure, self.host(), self.port()) == (other.secure, other.host(), other.port())
    }
}

// === impl Ask ===

impl Ask {
    pub(super) fn new(method: Method, url: Url, most: usize) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method, url, headers, body, most, sent: None, received: None }
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(super) fn body(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.body = body;
        self.header(axum::http::header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }
}

// === impl Answer ===

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long the registry wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header(RETRY_AFTER.as_str())?.parse().ok()?;
        Some(Duration::from_secs(seconds).min(MAX_WAIT))
    }
}

// === impl Http ===

impl Http {
    pub(super) fn new(access: &Access) -> Result<Self, Failure> {
        if access.plain {
            return Ok(Self { tls: None });
        }
        let roots = match &access.ca {
            Some(path) => roots(Path::new(path)).map_err(Failure::Final)?,
            None => system_roots()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder =
            builder.with_safe_default_protocol_versions().map_err(|why| Failure::Final(why.to_string()))?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Some(Arc::new(config)) })
    }

    /// The answer, from wherever the registry sends us. Who we are is told to nobody but whom it was meant for.
    pub(super) async fn send(&self, mut ask: Ask) -> Result<Answer, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.once(&ask).await?;
            let follows = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308)
                && (ask.method == Method::GET || ask.method == Method::HEAD);
            let Some(to) = answer.header(LOCATION.as_str()).filter(|_| follows) else { return Ok(answer) };
            let to = Url::given(to, &ask.url)?;
            if !to.is_same_origin(&ask.url) {
                ask.headers.remove(AUTHORIZATION);
            }
            ask.url = to;
        }
        Err(Failure::Final("the registry sends us from place to place".to_owned()))
    }

    async fn once(&self, ask: &Ask) -> Result<Answer, Failure> {
        let (url, authority) = (&ask.url, &ask.url.authority);
        let port = url.port().ok_or_else(|| Failure::Final(format!("`{authority}` has no port")))?;
        let away = |why: &dyn std::fmt::Display| {
            Failure::Passing(format!("no connection to {authority}: {why}"), None)
        };
        let connected = timeout(CONNECT, TcpStream::connect((url.host(), port))).await;
        let stream = connected.map_err(|why| away(&why))?.map_err(|why| away(&why))?;
        let Some(config) = self.tls.as_ref().filter(|_| url.secure) else {
            return if url.secure {
                Err(Failure::Final(format!(
                    "{authority} is asked without TLS, and sends us to where there is"
                )))
            } else {
                exchange(stream, ask).await
            };
        };
        let name = ServerName::try_from(url.host().to_owned());
        let name = name.map_err(|_| Failure::Final(format!("`{}` is no name of a host", url.host())))?;
        let shaken = timeout(CONNECT, TlsConnector::from(Arc::clone(config)).connect(name, stream)).await;
        match shaken.map_err(|why| away(&why))? {
            Ok(stream) => exchange(stream, ask).await,
            // A certificate does not get better by waiting.
            Err(why) if why.kind() == ErrorKind::InvalidData => {
                Err(Failure::Final(format!("no TLS with {authority}: {why}")))
            }
            Err(why) => Err(away(&why)),
        }
    }
}

async fn exchange<S>(stream: S, ask: &Ask) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let authority = &ask.url.authority;
    let broken =
        |why: &dyn std::fmt::Display| Failure::Passing(format!("no answer from {authority}: {why}"), None);
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|why| broken(&why))?;
    let driver = tokio::spawn(connection);
    let mut request = Request::builder().method(&ask.method).uri(&ask.url.path);
    request = request.header(HOST, authority).header(USER_AGENT, AGENT).header(CONNECTION, "close");
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let body = Pieces { left: ask.body.clone(), meter: ask.sent.clone() };
    let request = request.body(body).map_err(|why| Failure::Final(why.to_string()))?;
    let patience = ANSWER + Duration::from_secs(ask.body.len() as u64 / SLOWEST);
    let answered = timeout(patience, sender.send_request(request)).await;
    let (head, body) = answered.map_err(|why| broken(&why))?.map_err(|why| broken(&why))?.into_parts();
    let body = collect(body, ask).await;
    driver.abort();
    Ok(Answer { status: head.status, headers: head.headers, body: body? })
}

/// All of an answer, if it is not too long and does not stall.
async fn collect(mut body: Incoming, ask: &Ask) -> Result<Bytes, Failure> {
    let authority = &ask.url.authority;
    let mut whole = Vec::new();
    loop {
        let broken = |why: &dyn std::fmt::Display| {
            Failure::Passing(format!("no whole answer from {authority}: {why}"), None)
        };
        let Some(frame) = timeout(ANSWER, body.frame()).await.map_err(|why| broken(&why))? else {
            return Ok(whole.into());
        };
        let Ok(piece) = frame.map_err(|why| broken(&why))?.into_data() else { continue };
        if whole.len() + piece.len() > ask.most {
            return Err(Failure::Refused(format!("{authority} sends more than {} bytes", ask.most)));
        }
        if let Some(meter) = &ask.received {
            meter.add(piece.len());
        }
        whole.extend_from_slice(&piece);
    }
}

/// The CAs that this machine trusts.
fn system_roots() -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let why = "this machine has no CA certificates: install them, or name those of the registry with `--ca-file`";
        return Err(Failure::Final(why.to_owned()));
    }
    Ok(roots)
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.left.len().min(PIECE);
        let piece = self.left.split_to(length);
        if let Some(meter) = &self.meter {
            meter.add(length);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_a_registry_gives_are_followed_only_where_it_is_safe() {
        let base = Url { secure: true, authority: "r.example:5000".to_owned(), path: "/v2/".to_owned() };
        let given = |text: &str| Url::given(text, &base);
        let upload = given("/v2/a/blobs/uploads/1?_state=x").unwrap().with("digest", "sha256:0");
        assert_eq!(
            (upload.path.as_str(), upload.is_same_origin(&base)),
            ("/v2/a/blobs/uploads/1?_state=x&digest=sha256:0", true)
        );
        let elsewhere = given("https://cdn.example").unwrap();
        assert_eq!((elsewhere.path.as_str(), elsewhere.is_same_origin(&base)), ("/", false));
        assert!(!given("https://r.example/x").unwrap().is_same_origin(&base), "another port");
        for text in
            ["http://r.example:5000/", "//cdn.example/x", "ftp://a/b", "x/y", "", "https://u:p@r.example/"]
        {
            assert!(given(text).is_err(), "{text}");
        }
        let plain = Url { secure: false, ..base.clone() };
        assert!(!Url::given("http://other/x", &plain).unwrap().secure);
    }
}
