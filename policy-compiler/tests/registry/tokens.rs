//! A registry that takes tokens, and the service that gives them: as Docker's own registry and most others do.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::Signer;
use sallyport_playground::pki::Ca;
use serde_json::json;
use time::OffsetDateTime;

use super::proxy::read_request;
use super::registry::{Login, PASSWORD, Registry, Tool, USER, wasm};

const REFRESH: &str = "a token to get tokens with";

/// Gives tokens that a registry believes.
struct Service {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// What tokens are signed with.
struct Issuer {
    certificate: String,
    signer: Box<dyn Signer>,
}

impl Issuer {
    fn new(folder: &Path) -> Self {
        let ca = Ca::new("acme.internal").unwrap();
        ca.write_certificate(&folder.join("issuer-ca.pem")).unwrap();
        let files = ca.mint(&["spiffe://acme.internal/issuer"]).unwrap().write(folder, "issuer").unwrap();
        let key =
            rustls::crypto::ring::sign::any_ecdsa_type(&PrivateKeyDer::from_pem_file(files.key).unwrap());
        let signer = key.unwrap().choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap();
        let certificate = STANDARD.encode(CertificateDer::from_pem_file(files.certificate).unwrap());
        Self { certificate, signer }
    }

    /// A token that lets its bearer do these things to a repository, or nothing.
    fn token(&self, access: Option<(&str, &str)>) -> String {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let access: Vec<_> = access
            .map(|(name, actions)| json!({"type": "repository", "name": name, "actions": actions.split(',').collect::<Vec<_>>()}))
            .into_iter()
            .collect();
        let head = json!({"typ": "JWT", "alg": "ES256", "x5c": [self.certificate]});
        let claims = json!({
            "iss": "test", "sub": USER, "aud": "test", "exp": now + 300, "nbf": now - 10, "iat": now, "jti": "1", "access": access,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&head), part(&claims));
        let signature = raw(&self.signer.sign(text.as_bytes()).unwrap());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// An ECDSA signature of P-256 as JWTs have it: both numbers in 32 bytes each, without DER around them.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut all = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        all.extend(std::iter::repeat_n(0, 32 - number.len()));
        all.extend_from_slice(number);
        rest = &rest[2 + length..];
    }
    all
}

impl Service {
    fn start(issuer: Issuer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                let (_, request) = read_request(&mut client);
                let text = String::from_utf8(request).unwrap();
                let answer = answer(&issuer, &text);
                kept.lock().unwrap().push(text);
                let _ = client.write_all(answer.as_bytes());
            }
        });
        Self { address, asked }
    }
}

/// Those that we know may do what they ask for; everybody else may pull what is public.
fn answer(issuer: &Issuer, request: &str) -> String {
    let plain = request.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").replace("%20", " ");
    let basic = format!("basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}"))).to_lowercase();
    let known = plain.to_lowercase().contains(&basic) || plain.ends_with(&format!("refresh_token={REFRESH}"));
    let is_anonymous = !plain.contains("uthorization: ") && !plain.starts_with("POST");
    assert!(plain.contains("service=test"), "{plain}");
    let (_, scope) = plain.split_once("scope=repository:").unwrap();
    let (name, actions) =
        scope[..scope.find([' ', '&', '\r']).unwrap_or(scope.len())].split_once(':').unwrap();
    let token = match (known, is_anonymous) {
        (true, _) => issuer.token(Some((name, actions))),
        (_, true) => issuer.token(name.starts_with("public/").then_some((name, "pull"))),
        _ => return "HTTP/1.1 401 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
    };
    let body = json!({"token": token}).to_string();
    format!("HTTP/1.1 200 ok\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn tokens_are_fetched_for_what_is_to_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(Issuer::new(folder.path()));
    let login = Login::Token(service.address, folder.path().join("issuer-ca.pem"));
    let registry = Registry::new(false, login);
    let host = registry.address.to_string();
    let tool = Tool::logged_in(&host, USER, PASSWORD);
    let (file, out) = (tool.file("module.wasm", &wasm()), tool.name("out"));
    let (public, private) = (registry.reference("public/filter:1"), registry.reference("team/filter:1"));
    let place = |place| ["push", &file, place, "--plain-http"];
    for to in [&public, &private] {
        tool.json(&place(to));
    }
    let asked = service.asked.lock().unwrap().drain(..).collect::<Vec<_>>();
    assert_eq!(asked.len(), 2, "one token a run: {asked:?}");
    assert!(asked[1].contains("scope=repository%3Ateam%2Ffilter%3Apull%2Cpush"), "{asked:?}");

    // A token to get tokens with, as cloud registries give it.
    let identity = Tool::configured(&json!({"auths": {&host: {"identitytoken": REFRESH}}}));
    identity.json(&["pull", &private, "--plain-http", "-o", &out]);
    assert_eq!(fs::read(&out).unwrap(), wasm());
    assert!(service.asked.lock().unwrap()[0].starts_with("POST /token "));

    // Nobody may pull what is public, and no more; somebody else not even that.
    let nobody = Tool::new();
    nobody.json(&["pull", &public, "--plain-http", "-o", &out]);
    let wrong = Tool::logged_in(&host, USER, "open barley");
    for (tool, args, words) in [
        (&nobody, vec!["pull", &private, "--plain-http", "-o", &out], "docker login"),
        (&nobody, place(&public).to_vec(), "docker login"),
        (&wrong, vec!["pull", &public, "--plain-http", "-o", &out], "refuses the credentials"),
    ] {
        let ended = tool.run(&args);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(words), "{args:?}: {ended:?}");
    }
}
