//! A client: one request on one connection, over HTTP/1.1 or HTTP/2, with TLS or without.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longer than any long poll of these tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// How to ask.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) http2: bool,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn etag(&self) -> &str {
        self.header("etag")
    }

    pub(crate) fn serial(&self) -> u64 {
        self.header("x-sallyport-serial").parse().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, http2: false, tls: None }
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers).unwrap()
    }

    /// The answer, or why there is none.
    pub(crate) fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        self.tell(method, path, headers, Bytes::new())
    }

    /// The answer to a request with a body, or why there is none.
    pub(crate) fn tell(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let asked = self.exchange(method, path, headers, body);
            tokio::time::timeout(PATIENCE, asked).await.map_err(|_| "no answer".to_owned())?
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let target = if self.http2 { format!("{scheme}://localhost{path}") } else { path.to_owned() };
        let mut request = Request::builder().method(method).uri(target);
        if !self.http2 {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let stream = TcpStream::connect(self.address).await.map_err(|why| why.to_string())?;
        match &self.tls {
            None => self.send(stream, request).await,
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name, stream).await.map_err(|why| why.to_string())?;
                let settled = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                let wanted: &[u8] = if self.http2 { b"h2" } else { b"http/1.1" };
                let istio = config.alpn_protocols.iter().any(|name| name == b"istio");
                assert_eq!(settled.as_deref(), Some(if istio { &b"istio"[..] } else { wanted }));
                self.send(stream, request).await
            }
        }
    }

    async fn send<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<Answer, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let told = |why: hyper::Error| format!("{why:?}");
        let stream = TokioIo::new(stream);
        let response = if self.http2 {
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), stream).await.map_err(told)?;
            tokio::spawn(connection);
            sender.send_request(request).await.map_err(told)?
        } else {
            let (mut sender, connection) = http1::handshake(stream).await.map_err(told)?;
            tokio::spawn(connection);
            sender.send_request(request).await.map_err(told)?
        };
        let status = response.status().as_u16();
        let named = response.headers().iter();
        let headers =
            named.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let body = response.into_body().collect().await.map_err(told)?.to_bytes().to_vec();
        Ok(Answer { status, headers, body })
    }
}
