//! What an Envoy is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Program;
use crate::pki::{Ca, Svid};

/// The most bytes of a body that the native buffer filter holds: 16 MiB.
pub const MAX_HELD_BYTES: u32 = 16 << 20;

/// One listener with mutual TLS, one upstream, and what stands between them.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which Envoy.
    pub program: Program,
    /// The port of the listener on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    /// What Envoy shows to callers.
    pub server: Svid,
    /// The CA certificates that callers are checked against, PEM.
    pub trusted_pem: String,
    /// Whether a caller must show a certificate.
    pub client_certificates: ClientCertificates,
    /// Where allowed requests go.
    pub upstream: SocketAddr,
    /// How Envoy talks to the upstream.
    pub upstream_protocol: UpstreamProtocol,
    /// Who serves policy and takes records, if anybody does: cluster `companion`.
    pub companion: Option<Companion>,
    /// The module under test, if any.
    pub wasm: Option<Wasm>,
    /// An external authorizer, if any: what the module is compared with.
    pub ext_authz: Option<ExtAuthz>,
    /// Whether the caller's URI SANs are kept in the filter state `io.istio.peer_principal`, as Istio does for waypoints.
    pub peer_principal: bool,
    /// Worker threads, at least 1.
    pub concurrency: u32,
    /// A stream without activity is ended after this time.
    pub stream_idle_timeout: Duration,
    /// How long the start may take; compiling a large module takes V8 seconds.
    pub start_timeout: Duration,
}

/// A companion of the gate's.
#[derive(Clone, Debug)]
pub struct Companion {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is spoken to, if not in the clear.
    pub tls: Option<CompanionTls>,
}

/// Mutual TLS towards a companion.
#[derive(Clone, Debug)]
pub struct CompanionTls {
    /// What Envoy shows.
    pub own: Svid,
    /// The CA certificates that the companion's is checked against, PEM.
    pub trusted_pem: String,
    /// The SPIFFE ID that the companion must have.
    pub spiffe_id: String,
}

impl From<SocketAddr> for Companion {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

/// Whether a caller must show a certificate. One that is shown is always verified: a certificate of a CA that is not
/// trusted, or an expired one, ends the handshake in both modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Strict mTLS: no certificate, no connection.
    Required,
    /// A caller without a certificate gets through to the filters, so that the gate can say 401.
    Requested,
}

/// How Envoy talks to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// As the caller does: HTTP/1.1 stays HTTP/1.1, HTTP/2 goes on as h2c.
    AsDownstream,
    /// HTTP/1.1 always.
    Http1,
}

/// A Proxy-Wasm module in V8.
#[derive(Clone, Debug)]
pub struct Wasm {
    /// The module file.
    pub module: PathBuf,
    /// The plugin configuration, handed over as it is.
    pub configuration: String,
    /// Where the module can hold a request.
    pub hold: Hold,
    /// Whether info log lines are wanted. They carry the records; turn them off to measure without.
    pub info_log: bool,
    /// Whether Envoy takes the module's configuration from a file that may change while it runs, as it takes it from Istio
    /// (extension config discovery).
    pub discovered: bool,
}

/// Where a request waits while the module reads its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// As under a `WasmPlugin`: headers go on, the body waits. A native buffer filter right after the module keeps
    /// the headers from the upstream until the verdict.
    Body,
    /// With `allow_on_headers_stop_iteration`: the module itself keeps the headers. No buffer filter.
    Headers,
}

/// Envoy's `ext_authz` filter.
#[derive(Clone, Debug)]
pub struct ExtAuthz {
    /// Where the authorizer listens.
    pub authorizer: SocketAddr,
    /// What it speaks.
    pub service: AuthzService,
    /// How many bytes of the body it is given; 0 gives it none.
    pub max_body_bytes: u32,
}

/// What an authorizer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthzService {
    /// `envoy.service.auth.v3.Authorization/Check` over h2c.
    Grpc,
    /// The request's own method and path over HTTP/1.1; 200 allows.
    Http,
}

// === impl Config ===

impl Config {
    /// Strict mTLS in front of `upstream`, nothing in between, one worker, on a port that the system chooses.
    pub fn new(program: Program, server: Svid, trusted: &Ca, upstream: SocketAddr) -> Self {
        Self {
            program,
            port: 0,
            server,
            trusted_pem: trusted.certificate_pem(),
            client_certificates: ClientCertificates::Required,
            upstream,
            upstream_protocol: UpstreamProtocol::AsDownstream,
            companion: None,
            wasm: None,
            ext_authz: None,
            peer_principal: false,
            concurrency: 1,
            stream_idle_timeout: Duration::from_secs(30),
            start_timeout: Duration::from_secs(60),
        }
    }
}

impl Wasm {
    /// A module in the mode a `WasmPlugin` gives, with info log lines.
    pub fn new(module: impl Into<PathBuf>, configuration: impl Into<String>) -> Self {
        let (module, configuration) = (module.into(), configuration.into());
        Self { module, configuration, hold: Hold::Body, info_log: true, discovered: false }
    }
}
