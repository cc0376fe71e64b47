//! Sends one request over HTTP/1.1, on a connection of its own: in plain text, or over TLS with a certificate or without.
//!
//! Limits: 10 s for all of it, 1 MiB of an answer.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::{HeaderMap, Request, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, SignatureScheme,
    WantsVerifier,
};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{GateFiles, Outcome, Refusal};
use crate::cases;
use crate::serve::{certificates, roots};

const PATIENCE: Duration = Duration::from_secs(10);
const MAX_ANSWER: usize = 1 << 20;
/// How Istio's authorization refuses.
const ISTIO: &[u8] = b"RBAC: access denied";

/// What TLS is spoken with.
pub(super) struct Tls(Arc<ClientConfig>);

/// With our certificate.
pub(super) fn with_certificate(files: &GateFiles) -> Result<Tls, String> {
    let told = |why: &dyn std::fmt::Display| format!("`{}` can not be used: {why}", files.key.display());
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|why| told(&why))?;
    let config = verifying(&files.ca)?.with_client_auth_cert(certificates(&files.certificate)?, key);
    config.map(http1_only).map_err(|why| told(&why))
}

/// Without one.
pub(super) fn without_certificate(ca: &Path) -> Result<Tls, String> {
    Ok(http1_only(verifying(ca)?.with_no_client_auth()))
}

fn http1_only(mut config: ClientConfig) -> Tls {
    // A sidecar whose mTLS is not STRICT serves TLS of the mesh only to those who say `istio`; for others it is the application's own.
    config.alpn_protocols = vec![b"istio".to_vec(), b"http/1.1".to_vec()];
    Tls(Arc::new(config))
}

fn verifying(ca: &Path) -> Result<ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots(ca)?), provider.clone()).build();
    let verifier = Arc::new(AnyName(verifier.map_err(|why| why.to_string())?));
    let builder: ConfigBuilder<ClientConfig, WantsVerifier> = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
}

/// Certificates of a mesh name a workload by SPIFFE ID, not by host: the chain is verified, the host's name is not. That is as much as the
/// probes need, whose requests hold nothing secret.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(certificate, between, name, ocsp, now) {
            // The name is looked at last, after the chain.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Sends the request of a case to an address. `Err` if it can not be sent as it stands.
pub(super) fn send(to: &Uri, tls: Option<&Tls>, request: &cases::Request) -> Result<Outcome, String> {
    let request = written(request)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|why| why.to_string())?;
    let sent = async { timeout(PATIENCE, attempt(to, tls, request)).await };
    let late = || Outcome::Unreachable(format!("no answer within {} s", PATIENCE.as_secs()));
    Ok(runtime.block_on(sent).unwrap_or_else(|_| late()))
}

fn written(request: &cases::Request) -> Result<Request<Full<Bytes>>, String> {
    let mut builder = Request::builder()
        .method(request.method.as_str())
        .uri(&request.path)
        .header(HOST, &request.authority);
    for (name, value) in &request.headers {
        builder = builder.header(name, value.as_slice());
    }
    let body = request.message.body.clone().unwrap_or_default();
    if request.message.body.is_some()
        && !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
    {
        builder = builder.header(CONTENT_LENGTH, body.len());
    }
    builder
        .body(Full::new(Bytes::from(body)))
        .map_err(|why| format!("the request can not be sent over HTTP/1.1: {why}"))
}

async fn attempt(to: &Uri, tls: Option<&Tls>, request: Request<Full<Bytes>>) -> Outcome {
    let host = to.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = to.port_u16().unwrap_or(if to.scheme_str() == Some("https") { 443 } else { 80 });
    let stream = match TcpStream::connect((host.as_str(), port)).await {
        Ok(stream) => stream,
        Err(why) => return Outcome::Unreachable(why.to_string()),
    };
    let Some(tls) = tls else { return exchange(stream, request).await };
    let Ok(name) = ServerName::try_from(host) else {
        return Outcome::Unreachable("the host has no name that TLS knows".to_owned());
    };
    match TlsConnector::from(Arc::clone(&tls.0)).connect(name, stream).await {
        Ok(stream) => exchange(stream, request).await,
        Err(why) => ended(&why),
    }
}

/// A server that is not who it should be was not probed; one that ends the handshake answered.
fn ended(why: &io::Error) -> Outcome {
    let inner = why.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::AlertReceived(_)) | None => Outcome::Closed(why.to_string()),
        Some(other) => Outcome::Unreachable(other.to_string()),
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let closed = |why: hyper::Error| Outcome::Closed(why.to_string());
    let (mut sender, connection) = match http1::handshake(TokioIo::new(stream)).await {
        Ok(both) => both,
        Err(why) => return closed(why),
    };
    let driver = tokio::spawn(connection);
    let answer = match sender.send_request(request).await {
        Ok(answer) => answer,
        Err(why) => return closed(why),
    };
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    // An answer that breaks off is one all the same.
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    driver.abort();
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Outcome::Answer { status, refusal: refusal(&headers, &body) }
}

/// Who refused, by the shapes of the gate's replies (docs/reasons.md) and Istio's words.
fn refusal(headers: &HeaderMap, body: &[u8]) -> Option<Refusal> {
    if body == ISTIO {
        return Some(Refusal::Istio);
    }
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let reason = json.get("reason").or_else(|| json.pointer("/error/data/reason")).and_then(Value::as_str);
    let message = headers.get("grpc-message").and_then(|value| value.to_str().ok());
    let of_message = || message?.split_once('(')?.1.split_once(')').map(|(reason, _)| reason);
    let reason = reason.or_else(of_message)?;
    let is_code =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_'));
    (reason.contains('.') && is_code(reason)).then(|| Refusal::Gate(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_is_known_by_its_reasons() {
        let gate = |reason: &str| Some(Refusal::Gate(reason.to_owned()));
        for (body, who) in [
            (r#"{"error":"outside of the mission","reason":"scope.path","message":"x"}"#, gate("scope.path")),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x","data":{"reason":"scope.tool"}}}"#,
                gate("scope.tool"),
            ),
            ("RBAC: access denied", Some(Refusal::Istio)),
            (r#"{"reason":"Not Found"}"#, None),
            (r#"{"reason":7}"#, None),
            ("no healthy upstream", None),
        ] {
            assert_eq!(refusal(&HeaderMap::new(), body.as_bytes()), who, "{body}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("grpc-message", "outside of the mission (scope.path): x".parse().unwrap());
        assert_eq!(refusal(&headers, b""), gate("scope.path"));
    }
}
