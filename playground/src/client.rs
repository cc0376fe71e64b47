//! A client that sends exactly what it is told, over TLS, with any certificate or none.
//!
//! HTTP/1.1 requests are written byte by byte (odd targets, repeated headers, values that are not UTF-8, chunk cuts); over
//! HTTP/2 the `h2` crate writes the frames, so there a request must at least be well formed.
//!
//! Calls block; do not call them from inside an async runtime. The whole exchange, connecting included, has one deadline:
//! [`DEFAULT_TIMEOUT`] unless [`Client::timeout`] says otherwise. Responses may have 256 header fields in 256 KiB and a body of
//! [`MAX_MESSAGE_BYTES`](crate::MAX_MESSAGE_BYTES).

mod h1;
mod h2_wire;
mod reader;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::{Ca, Svid};
use crate::{Request, Response};

pub(crate) use reader::ResponseReader;

/// How long one exchange may take.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// After a piece of a body the client waits this long before the next, so that the peer sees the cut.
const PIECE_PAUSE: Duration = Duration::from_millis(1);

/// Only the first so many pieces are followed by a pause: a body cut into thousands of pieces must not take seconds.
const PAUSED_PIECES: usize = 64;

/// How many TLS sessions a client remembers that resumes them; Envoy remembers one for each cluster.
const REMEMBERED_SESSIONS: usize = 1;

/// Which HTTP version the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, settled by ALPN.
    Http2,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TLS library or the runtime did not accept what it was given.
    #[error("cannot set the client up: {0}")]
    SetUp(String),
    /// No connection.
    #[error("cannot connect to {address}: {source}; is Envoy running?")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// TLS ended with an alert: the peer does not accept our certificate, or its absence.
    #[error("refused by TLS: {0}; is the certificate from a CA that Envoy trusts, and is one required?")]
    Refused(String),
    /// The connection ended before the response did. A refusal by TLS looks like this too when the reset overtakes the
    /// alert.
    #[error("connection closed before the response was complete: {0}")]
    Closed(String),
    /// The deadline passed.
    #[error("no complete response within {0:?}; is the upstream answering?")]
    Timeout(Duration),
    /// What came is no HTTP response.
    #[error("not a response that HTTP allows: {0}")]
    BadResponse(String),
    /// The request has no form in this protocol.
    #[error("cannot be sent over {protocol:?}: {what}")]
    NotExpressible {
        /// The protocol in use.
        protocol: Protocol,
        /// Which part, and why.
        what: String,
    },
}

/// A caller: an address, an identity, a protocol.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    protocol: Protocol,
    tls: Arc<rustls::ClientConfig>,
    timeout: Duration,
    runtime: Runtime,
}

/// One connection that stays open between requests.
#[derive(Debug)]
pub struct Connection<'c> {
    client: &'c Client,
    wire: Wire,
}

#[derive(Debug)]
enum Wire {
    Http1(Box<h1::Http1>),
    Http2(h2_wire::Http2),
}

// === impl Client ===

impl Client {
    /// A client of the server at `address`, which must show a certificate of `server_ca` for `localhost`. It shows `identity`,
    /// or no certificate at all.
    pub fn new(
        address: SocketAddr,
        protocol: Protocol,
        server_ca: &Ca,
        identity: Option<&Svid>,
    ) -> Result<Self, ClientError> {
        let tls = Arc::new(tls_config(protocol, server_ca, identity).map_err(set_up)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(set_up)?;
        Ok(Self { address, protocol, tls, timeout: DEFAULT_TIMEOUT, runtime })
    }

    /// The same client with another deadline for each exchange.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same client, resuming TLS sessions as a sidecar does: from its second connection on it does not show its
    /// certificate again. Otherwise each connection is a full handshake.
    #[must_use]
    pub fn resume_sessions(mut self) -> Self {
        Arc::make_mut(&mut self.tls).resumption = Resumption::in_memory_sessions(REMEMBERED_SESSIONS);
        self
    }

    /// Sends one request on a connection of its own.
    pub fn send(&self, request: &Request) -> Result<Response, ClientError> {
        self.bounded(async { self.open().await?.exchange(request).await })
    }

    /// Opens a connection for several requests, one after the other.
    pub fn connect(&self) -> Result<Connection<'_>, ClientError> {
        let wire = self.bounded(self.open())?;
        Ok(Connection { client: self, wire })
    }

    fn bounded<T>(&self, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        let timeout = self.timeout;
        self.runtime
            .block_on(async { tokio::time::timeout(timeout, work).await })
            .unwrap_or(Err(ClientError::Timeout(timeout)))
    }

    async fn open(&self) -> Result<Wire, ClientError> {
        let stream = self.handshake().await?;
        Ok(match self.protocol {
            Protocol::Http1 => Wire::Http1(Box::new(h1::Http1::new(stream))),
            Protocol::Http2 => Wire::Http2(h2_wire::Http2::open(stream).await?),
        })
    }

    async fn handshake(&self) -> Result<TlsStream<TcpStream>, ClientError> {
        let address = self.address;
        let connect = |source| ClientError::Connect { address, source };
        let tcp = TcpStream::connect(address).await.map_err(connect)?;
        tcp.set_nodelay(true).map_err(connect)?;
        let name = ServerName::try_from("localhost").map_err(set_up)?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, tcp).await.map_err(from_io)?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if http2 == (self.protocol == Protocol::Http2) {
            Ok(stream)
        } else {
            Err(ClientError::BadResponse("the server settled on another HTTP version by ALPN".to_owned()))
        }
    }
}

// === impl Connection ===

impl Connection<'_> {
    /// Sends one request and waits for the whole response.
    pub fn send(&mut self, request: &Request) -> Result<Response, ClientError> {
        self.client.bounded(self.wire.exchange(request))
    }
}

impl Wire {
    async fn exchange(&mut self, request: &Request) -> Result<Response, ClientError> {
        match self {
            Self::Http1(wire) => wire.exchange(request).await,
            Self::Http2(wire) => wire.exchange(request).await,
        }
    }
}

fn tls_config(
    protocol: Protocol,
    server_ca: &Ca,
    identity: Option<&Svid>,
) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(server_ca.certificate_der().to_vec()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(svid) => {
            let chain = vec![CertificateDer::from(svid.certificate_der().to_vec())];
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(svid.key_der().to_vec()));
            builder.with_client_auth_cert(chain, key)?
        }
    };
    let alpn: &[u8] = match protocol {
        Protocol::Http1 => b"http/1.1",
        Protocol::Http2 => b"h2",
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn set_up(error: impl std::fmt::Display) -> ClientError {
    ClientError::SetUp(error.to_string())
}

/// Tells a TLS alert from other ends of a connection.
fn from_io(error: io::Error) -> ClientError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => ClientError::Refused(format!("{alert:?}")),
        Some(other) => ClientError::BadResponse(other.to_string()),
        None => ClientError::Closed(error.to_string()),
    }
}

/// Lets the peer see where a piece ended. `sent` pieces were written so far.
async fn pause_after_piece(sent: usize) {
    if sent <= PAUSED_PIECES {
        tokio::time::sleep(PIECE_PAUSE).await;
    } else {
        tokio::task::yield_now().await;
    }
}
