//! Asks a companion something, or tells a collector: one request over HTTP/1.1, with TLS or without.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST};
use axum::http::{Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::tls::{certificates, roots};

/// How long the whole of it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Files to speak TLS with.
#[derive(Debug)]
pub(crate) struct ClientFiles {
    /// The CAs that the companion's certificate must be from.
    pub(crate) ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub(crate) own: Option<(PathBuf, PathBuf)>,
}

/// What a companion answers at `path`; `base` is its address, with nothing behind it.
pub(crate) fn get(base: &str, path: &str, files: &ClientFiles) -> Result<Bytes, String> {
    send(base, path, files, None)
}

/// What is answered when this JSON is sent to `path`.
pub(crate) fn post(base: &str, path: &str, files: &ClientFiles, json: Bytes) -> Result<Bytes, String> {
    send(base, path, files, Some(json))
}

fn send(base: &str, path: &str, files: &ClientFiles, json: Option<Bytes>) -> Result<Bytes, String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|why| why.to_string())?;
    let asked = async { timeout(PATIENCE, ask(base, path, files, json)).await };
    runtime.block_on(asked).unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
}

async fn ask(base: &str, path: &str, files: &ClientFiles, json: Option<Bytes>) -> Result<Bytes, String> {
    let wrong = "write the address as `http://host:port` or `https://host:port`";
    let uri: Uri = base.trim_end_matches('/').parse().map_err(|_| wrong)?;
    let host = uri.host().ok_or(wrong)?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let (secure, port) = match uri.scheme_str() {
        Some("http") => (false, 80),
        Some("https") => (true, 443),
        _ => return Err(wrong.to_owned()),
    };
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(port))).await;
    let stream = stream.map_err(|why| format!("no connection: {why}"))?;
    if !secure {
        return exchange(stream, &authority, path, json).await;
    }
    let name = ServerName::try_from(host).map_err(|why| why.to_string())?;
    let connector = TlsConnector::from(Arc::new(config(files)?));
    let stream = connector.connect(name, stream).await.map_err(|why| format!("no TLS: {why}"))?;
    exchange(stream, &authority, path, json).await
}

async fn exchange<S>(stream: S, authority: &str, path: &str, json: Option<Bytes>) -> Result<Bytes, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let told = |why: hyper::Error| format!("no answer: {why}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    let driver = tokio::spawn(connection);
    let request = match &json {
        None => Request::get(path),
        Some(_) => Request::post(path).header(CONTENT_TYPE, "application/json"),
    };
    let request = request.header(HOST, authority).header(ACCEPT, "application/json");
    let request = request.body(Full::new(json.unwrap_or_default())).map_err(|why| why.to_string())?;
    let answer = sender.send_request(request).await.map_err(told)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    driver.abort();
    let body = body.map_err(|why| format!("no whole answer: {why}"))?.to_bytes();
    if status == StatusCode::OK { Ok(body) } else { Err(format!("the answer is {status}")) }
}

fn config(files: &ClientFiles) -> Result<ClientConfig, String> {
    let ca =
        files.ca.as_ref().ok_or("name the CA of its certificate with `--tls-ca`, or `--audit-otlp-ca`")?;
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|why| why.to_string())?;
    let builder = builder.with_root_certificates(roots(ca)?);
    let Some((certificate, key)) = &files.own else { return Ok(builder.with_no_client_auth()) };
    let told = |why: &dyn std::fmt::Display| format!("`{}` can not be used: {why}", key.display());
    let private = PrivateKeyDer::from_pem_file(key).map_err(|why| told(&why))?;
    builder.with_client_auth_cert(certificates(certificate)?, private).map_err(|why| told(&why))
}
