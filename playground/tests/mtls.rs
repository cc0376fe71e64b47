//! A real Envoy without a module: mutual TLS, both HTTP versions, and what the upstream sees.
//!
//! Needs an Envoy (`scripts/envoy` installs one); without it these tests fail and say so.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::time::Duration;

use sallyport_playground::client::{Client, ClientError, Protocol};
use sallyport_playground::envoy::{
    AuthzService, ClientCertificates, Config, Envoy, ExtAuthz, Program, StartError, Wasm,
};
use sallyport_playground::pki::{Ca, Svid};
use sallyport_playground::upstream::{Answer, Seen, Upstream};
use sallyport_playground::{Body, Framing, Request, Response};

const AGENT: &str = "spiffe://acme.internal/ns/agents/sa/research-agent";
const HOST: &str = "tool-api.tools.svc.cluster.local";
const PATIENCE: Duration = Duration::from_secs(5);

/// Envoy between a client and an echoing upstream.
struct Playground {
    ca: Ca,
    envoy: Envoy,
    upstream: Upstream,
}

impl Playground {
    fn start(certificates: ClientCertificates) -> Self {
        let ca = Ca::new("acme.internal").unwrap();
        let upstream = Upstream::start(Answer::Echo).unwrap();
        let config = config(&ca, &upstream);
        let envoy = Envoy::start(&Config { client_certificates: certificates, ..config });
        Self { ca, envoy: envoy.unwrap_or_else(|error| panic!("{error}")), upstream }
    }

    fn client(&self, protocol: Protocol, identity: Option<&Svid>) -> Client {
        Client::new(self.envoy.address(), protocol, &self.ca, identity).unwrap()
    }

    fn agent(&self, protocol: Protocol) -> Client {
        self.client(protocol, Some(&self.ca.mint(&[AGENT]).unwrap()))
    }

    /// What the upstream saw of the only request there was.
    fn seen(&self) -> Seen {
        assert!(self.upstream.wait_for(1, PATIENCE), "the request reached the upstream");
        assert_eq!(self.upstream.faults(), Vec::<String>::new());
        let mut seen = self.upstream.take();
        assert_eq!(seen.len(), 1);
        seen.remove(0)
    }
}

fn config(ca: &Ca, upstream: &Upstream) -> Config {
    let program = Program::find(None).unwrap_or_else(|error| panic!("{error}"));
    let server = ca.mint_server("spiffe://acme.internal/ns/tools/sa/gate").unwrap();
    Config::new(program, server, ca, upstream.address())
}

fn get() -> Request {
    Request::new("GET", HOST, "/docs/7")
}

fn assert_no_connection(result: Result<Response, ClientError>) {
    // A reset may overtake the alert.
    assert!(matches!(result, Err(ClientError::Refused(_) | ClientError::Closed(_))), "{result:?}");
}

#[test]
fn strict_mtls_lets_in_only_certificates_of_a_trusted_ca() {
    let playground = Playground::start(ClientCertificates::Required);
    let foreign = Ca::new("acme.internal").unwrap();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        assert_eq!(playground.agent(protocol).send(&get()).unwrap().status, 200);
        assert_no_connection(playground.client(protocol, None).send(&get()));
        let impostor = foreign.mint(&[AGENT]).unwrap();
        assert_no_connection(playground.client(protocol, Some(&impostor)).send(&get()));
    }
    let stats = playground.envoy.stats(".ssl.fail_verify").unwrap();
    let count = |name: &str| stats.iter().find(|(key, _)| key.ends_with(name)).map(|(_, value)| *value);
    assert_eq!(count(".ssl.fail_verify_no_cert"), Some(2), "no certificate");
    assert_eq!(count(".ssl.fail_verify_error"), Some(2), "a foreign certificate");
    assert_eq!(playground.upstream.take().len(), 2);
}

#[test]
fn requested_mtls_lets_in_the_nameless_but_no_bad_certificate() {
    let playground = Playground::start(ClientCertificates::Requested);
    let foreign = Ca::new("evil.example").unwrap().mint(&["spiffe://evil.example/x"]).unwrap();
    assert_eq!(playground.client(Protocol::Http1, None).send(&get()).unwrap().status, 200);
    assert_no_connection(playground.client(Protocol::Http1, Some(&foreign)).send(&get()));
    // Odd names are for the gate to refuse, so the handshake must let them through.
    for names in [vec![], vec![AGENT, "spiffe://acme.internal/other"], vec!["no uri at all"], vec![""]] {
        let odd = playground.ca.mint(&names).unwrap();
        let response = playground.client(Protocol::Http2, Some(&odd)).send(&get());
        assert_eq!(response.unwrap().status, 200, "{names:?}");
    }
}

#[test]
fn a_session_is_resumed_only_where_asked() {
    let playground = Playground::start(ClientCertificates::Required);
    let reused =
        || playground.envoy.stats("listener.127.0.0.1_0.ssl.session_reused").unwrap().values().sum::<u64>();
    let client = playground.agent(Protocol::Http1);
    for _ in 0..2 {
        assert_eq!(client.send(&get()).unwrap().status, 200);
    }
    assert_eq!(reused(), 0);
    let client = client.resume_sessions();
    for _ in 0..3 {
        assert_eq!(client.send(&get()).unwrap().status, 200);
    }
    assert_eq!(reused(), 2);
}

#[test]
fn http1_arrives_as_it_was_sent() {
    let playground = Playground::start(ClientCertificates::Required);
    let request = Request::new("POST", HOST, "//admin/%2e/x%2Fy?q=a")
        .header("X-Odd", b"caf\xe9")
        .header("x-twice", "1")
        .header("x_under", "score")
        .header("x-twice", "2")
        .body(Body::chunked(["one ", "", "two ", "three"]))
        .trailer("x-sum", "3");
    let response = playground.agent(Protocol::Http1).send(&request).unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = playground.seen();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "//admin/%2e/x%2Fy?q=a"));
    assert_eq!((seen.authority.as_deref(), seen.http2, seen.complete), (Some(HOST), false, true));
    assert_eq!(seen.headers.get("x-odd"), Some(b"caf\xe9".as_slice()));
    assert_eq!(seen.headers.get("x_under"), Some(b"score".as_slice()));
    assert_eq!(seen.headers.get_all("x-twice").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(
        (seen.body.as_slice(), seen.trailers.get("x-sum")),
        (b"one two three".as_slice(), Some(b"3".as_slice()))
    );
}

#[test]
fn http2_goes_on_as_http2_with_its_trailers() {
    let playground = Playground::start(ClientCertificates::Required);
    let scripted = Response { status: 201, ..Response::new(200, "text/plain", "abcdef") };
    let mut scripted = Response { headers: scripted.headers.clone(), ..scripted };
    scripted.headers.push("x-raw", b"\xff");
    scripted.trailers.push("x-end", "yes");
    playground.upstream.answer_with(Answer::Scripted(Box::new(scripted.clone()), vec![1, 2]));
    let body = Body { pieces: vec![b"one ".to_vec(), b"two".to_vec()], framing: Framing::Chunked };
    let request =
        Request::new("POST", HOST, "/mcp").header("X-Upper", "case").body(body).trailer("x-sum", "2");
    let response = playground.agent(Protocol::Http2).send(&request).unwrap();
    assert_eq!((response.status, response.text().as_str()), (201, "abcdef"));
    assert_eq!(response.headers.get("x-raw"), Some(b"\xff".as_slice()));
    assert_eq!(response.trailers, scripted.trailers);
    let seen = playground.seen();
    assert!(seen.http2 && seen.complete);
    assert_eq!((seen.authority.as_deref(), seen.target.as_str()), (Some(HOST), "/mcp"));
    assert_eq!(
        (seen.body.as_slice(), seen.trailers.get("x-sum")),
        (b"one two".as_slice(), Some(b"2".as_slice()))
    );
}

#[test]
fn a_connection_serves_several_requests_and_large_bodies() {
    let playground = Playground::start(ClientCertificates::Required);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let client = playground.agent(protocol).timeout(Duration::from_secs(30));
        let mut connection = client.connect().unwrap();
        let body = "x".repeat(3 << 20);
        let request = Request::new("POST", HOST, "/").body(Body::whole(body.clone()));
        for _ in 0..2 {
            let response = connection.send(&request).unwrap();
            assert!(response.text().contains(&body), "{protocol:?}");
        }
        drop(connection);
    }
}

#[test]
fn an_authorizer_is_asked_and_given_the_body() {
    let ca = Ca::new("acme.internal").unwrap();
    let upstream = Upstream::start(Answer::Echo).unwrap();
    let authorizer = Upstream::start(Answer::Echo).unwrap();
    for service in [AuthzService::Http, AuthzService::Grpc] {
        let ext_authz = Some(ExtAuthz { authorizer: authorizer.address(), service, max_body_bytes: 8192 });
        let envoy = Envoy::start(&Config { ext_authz, ..config(&ca, &upstream) }).unwrap();
        let identity = ca.mint(&[AGENT]).unwrap();
        let client = Client::new(envoy.address(), Protocol::Http1, &ca, Some(&identity)).unwrap();
        let request = Request::new("POST", HOST, "/mcp").body(Body::whole("a body to judge"));
        for (allowed, status) in [(true, 200), (false, 403)] {
            authorizer.answer_with(Answer::scripted(authorization(service, allowed)));
            assert_eq!(client.send(&request).unwrap().status, status, "{service:?}");
            let asked = authorizer.take().remove(0);
            assert!(asked.body.windows(15).any(|window| window == b"a body to judge"), "{service:?}");
            assert_eq!(upstream.take().len(), usize::from(allowed));
        }
    }
}

/// What an authorizer answers.
fn authorization(service: AuthzService, allowed: bool) -> Response {
    match service {
        AuthzService::Http => Response::new(if allowed { 200 } else { 403 }, "text/plain", ""),
        AuthzService::Grpc => {
            // A `CheckResponse`: empty, or with `status { code: 7 }`; led by gRPC's flag and length.
            let message: &[u8] = if allowed { &[] } else { &[0x0a, 2, 8, 7] };
            let length = u8::try_from(message.len()).unwrap();
            let body = [&[0, 0, 0, 0, length], message].concat();
            let trailers = [("grpc-status", "0")].into_iter().collect();
            Response { trailers, ..Response::new(200, "application/grpc", body) }
        }
    }
}

#[test]
fn what_a_protocol_cannot_carry_is_an_error_not_another_request() {
    let playground = Playground::start(ClientCertificates::Required);
    let http1 = playground.agent(Protocol::Http1);
    let http2 = playground.agent(Protocol::Http2);
    let refused = |client: &Client, request: &Request| {
        let result = client.send(request);
        assert!(matches!(result, Err(ClientError::NotExpressible { .. })), "{request:?}: {result:?}");
    };
    refused(&http1, &get().header("x", "a\r\nhost: other"));
    refused(&http1, &Request::new("GET", HOST, "/ HTTP/1.1\r\nx: y"));
    refused(&http1, &get().trailer("x-sum", "1"));
    refused(&http2, &get().header("connection", "close"));
    refused(&http2, &Request::new("GET", HOST, "/a b"));
    refused(&http2, &Request { authority: None, ..get() });
    assert_eq!(playground.upstream.take(), []);
    let no_host = http1.send(&Request { authority: None, ..get() }).unwrap();
    assert_eq!(no_host.status, 400, "what is merely malformed is sent, and Envoy refuses it");
}

#[test]
fn stopping_leaves_no_process_and_no_file() {
    let playground = Playground::start(ClientCertificates::Required);
    let Playground { envoy, upstream, ca } = playground;
    let (id, address) = (envoy.id(), envoy.address());
    let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap();
    let document =
        command.split(|byte| *byte == 0).find(|arg| arg.ends_with(b"bootstrap.json")).unwrap().to_vec();
    let document = std::path::PathBuf::from(String::from_utf8(document).unwrap());
    assert!(document.exists());
    assert!(envoy.stop().unwrap().success());
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    assert!(!document.parent().unwrap().exists(), "keys do not stay behind");
    let client = Client::new(address, Protocol::Http1, &ca, None).unwrap();
    assert!(matches!(client.send(&get()), Err(ClientError::Connect { .. })));
    drop(upstream);
}

#[test]
fn a_start_that_fails_says_why() {
    let ca = Ca::new("acme.internal").unwrap();
    let upstream = Upstream::start(Answer::Echo).unwrap();
    let config = config(&ca, &upstream);
    let missing = Envoy::start(&Config { wasm: Some(Wasm::new("/nowhere.wasm", "")), ..config.clone() });
    assert!(matches!(missing, Err(StartError::Module { .. })));
    let module = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&module, "no wasm").unwrap();
    let broken = Envoy::start(&Config { wasm: Some(Wasm::new(module.path(), "")), ..config.clone() });
    let told = broken.unwrap_err().to_string();
    assert!(
        told.starts_with("Envoy ended while starting") && told.contains("Unable to create Wasm"),
        "{told}"
    );
}
