//! Mutual TLS, and SVIDs that are changed on the disk.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sallyport_playground::pki::{Ca, Svid};

use super::common::{Companion, PROGRAM, Project, until};
use super::http::Client;

const SERVER: &str = "spiffe://acme.internal/ns/sallyport/sa/companion";
const PROXY: &str = "spiffe://acme.internal/ns/agents/sa/research";

struct Mesh {
    project: Project,
    ca: Ca,
}

impl Mesh {
    fn new() -> Self {
        let mesh = Self { project: Project::new(), ca: Ca::new("acme.internal").unwrap() };
        mesh.deploy(&mesh.ca);
        mesh
    }

    /// Gives the companion a certificate of this CA, and this CA to trust.
    fn deploy(&self, ca: &Ca) {
        let folder = self.project.folder.path();
        ca.write_certificate(&folder.join("ca.pem")).unwrap();
        ca.mint_server(SERVER).unwrap().write(folder, "server").unwrap();
    }

    fn serve(&self, more: &[&str]) -> Companion {
        let name = |name: &str| self.project.name(name);
        let (cert, key, ca) = (name("server.pem"), name("server.key"), name("ca.pem"));
        let tls = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca, "--admin", "127.0.0.1:0"];
        self.project.serve(&[&tls[..], more].concat())
    }
}

fn client(companion: &Companion, trusted: &Ca, own: Option<&Svid>) -> Client {
    let folder = tempfile::tempdir().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.certificate_pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(svid) => {
            let key = svid.write(folder.path(), "own").unwrap().key;
            let chain = vec![CertificateDer::from_pem_slice(svid.certificate_pem().as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    };
    Client { address: companion.address, http2: false, tls: Some(Arc::new(config)) }
}

/// The same client, with a protocol to settle on.
fn speaking(client: &Client, http2: bool) -> Client {
    let mut config = client.tls.as_deref().unwrap().clone();
    config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    Client { http2, tls: Some(Arc::new(config)), ..client.clone() }
}

fn asks(client: &Client) -> Result<u16, String> {
    asks_for(client, "agents/research")
}

fn asks_for(client: &Client, audience: &str) -> Result<u16, String> {
    let path = format!("/v1/bundle{}{audience}", if audience.is_empty() { "" } else { "/" });
    let answer = client.ask(hyper::Method::GET, &path, &[("x-sallyport-node", "sidecar~1")]);
    answer.map(|answer| answer.status)
}

fn ready(companion: &Companion) {
    let admin = Client::new(companion.admin.unwrap());
    until("it is ready", || (admin.get("/readyz", &[]).status == 200).then_some(()));
}

/// The same client, as a sidecar of Istio with `ISTIO_MUTUAL`.
fn as_sidecar(client: &Client) -> Client {
    let mut config = client.tls.as_deref().unwrap().clone();
    config.alpn_protocols = vec![b"istio-peer-exchange".to_vec(), b"istio".to_vec()];
    Client { http2: false, tls: Some(Arc::new(config)), ..client.clone() }
}

#[test]
fn only_who_shows_a_certificate_is_served_and_is_listed_with_it() {
    let mesh = Mesh::new();
    let companion = mesh.serve(&[]);
    ready(&companion);
    let svid = mesh.ca.mint(&[PROXY]).unwrap();
    let good = client(&companion, &mesh.ca, Some(&svid));
    for http2 in [false, true] {
        assert_eq!(asks(&speaking(&good, http2)), Ok(200), "by ALPN, HTTP/2: {http2}");
    }
    assert_eq!(asks(&as_sidecar(&good)), Ok(200), "as Istio's sidecars name it");
    let foreign = Ca::new("acme.internal").unwrap();
    let foreign_svid = foreign.mint(&[PROXY]).unwrap();
    assert!(asks(&speaking(&client(&companion, &mesh.ca, None), false)).is_err());
    assert!(asks(&speaking(&client(&companion, &mesh.ca, Some(&foreign_svid)), false)).is_err());
    assert!(
        asks(&speaking(&client(&companion, &foreign, Some(&svid)), false)).is_err(),
        "and it shows its own"
    );
    assert!(
        Client::new(companion.address).ask(hyper::Method::GET, "/v1/bundle", &[]).is_err(),
        "no plain text"
    );
    assert!(companion.metric("sallyport_companion_connections_ended_total{why=\"tls\"}") >= 3.0);

    // Two names are no identity.
    let two = mesh.ca.mint(&[PROXY, SERVER]).unwrap();
    assert_eq!(asks(&speaking(&client(&companion, &mesh.ca, Some(&two)), false)), Ok(403));
    let admin = Client::new(companion.admin.unwrap());
    let fleet = admin.get("/v1/fleet", &[]).json();
    let identities: Vec<_> =
        fleet["nodes"].as_array().unwrap().iter().map(|node| &node["spiffeId"]).collect();
    assert_eq!(identities, [PROXY], "who is refused is not listed");
    assert_eq!(admin.get("/v1/bundle", &[]).status, 404, "bundles are for those with certificates");
}

#[test]
fn bundles_are_for_the_namespace_of_who_asks_and_whom_they_are_granted_to() {
    let mesh = Mesh::new();
    let companion = mesh.serve(&[
        "--authorize",
        "spiffe://acme.internal/ns/edge/sa/gateway=tools",
        "--authorize",
        "spiffe://acme.internal/ns/istio-system/sa/*=*",
    ]);
    ready(&companion);
    let of = |ids: &[&str]| speaking(&client(&companion, &mesh.ca, Some(&mesh.ca.mint(ids).unwrap())), true);
    let docs = of(&["spiffe://acme.internal/ns/tools/sa/docs"]);
    let gateway = of(&["spiffe://acme.internal/ns/edge/sa/gateway"]);
    let mesh_wide = of(&["spiffe://acme.internal/ns/istio-system/sa/ingress"]);
    let partner = of(&["spiffe://partner.example/ns/tools/sa/docs"]);
    let elsewhere = of(&["spiffe://acme.internal/workloads/tools"]);
    type May = fn(&str) -> bool;
    let may: [(_, May); 5] = [
        (&docs, |audience| audience.starts_with("tools")),
        (&gateway, |audience| audience.starts_with("tools") || audience == "edge/gateway"),
        (&mesh_wide, |_| true),
        (&partner, |_| false),
        (&elsewhere, |_| false),
    ];
    for (number, (client, may)) in may.into_iter().enumerate() {
        for audience in
            ["", "tools", "tools/docs", "tools/other", "finance", "finance/ledger", "edge/gateway"]
        {
            let wanted = if may(audience) { 200 } else { 403 };
            assert_eq!(asks_for(client, audience), Ok(wanted), "{number} asks for `{audience}`");
        }
    }
    let refused = companion.metric("sallyport_companion_bundle_requests_total{code=\"403\"}");
    assert!(refused >= 20.0, "{refused}");
    let told = companion.logged("somebody asks for a bundle that is not for it");
    assert!((1..10).contains(&told.len()), "not each time: {}", told.len());
    let admin = Client::new(companion.admin.unwrap());
    let fleet = admin.get("/v1/fleet", &[]).json();
    assert!(!fleet.to_string().contains("partner.example"), "who may have nothing is not listed");
}

#[test]
fn what_is_known_of_everybody_is_shown_to_those_who_may_have_everything() {
    let mesh = Mesh::new();
    let granted = ["spiffe://acme.internal/ns/ops/sa/*=*", "spiffe://acme.internal/ns/edge/sa/gateway=tools"];
    let companion = mesh.serve(&["--authorize", granted[0], "--authorize", granted[1]]);
    ready(&companion);
    mesh.project.break_policy();
    let admin = Client::new(companion.admin.unwrap());
    until("a problem", || admin.get("/readyz", &[]).json()["problems"].get(0).cloned());
    let of = |id: &str| speaking(&client(&companion, &mesh.ca, Some(&mesh.ca.mint(&[id]).unwrap())), true);
    let operator = of("spiffe://acme.internal/ns/ops/sa/prometheus");
    for path in ["/metrics", "/v1/fleet", "/readyz", "/healthz"] {
        assert_eq!(operator.get(path, &[]).status, 200, "{path}");
        assert_eq!(admin.get(path, &[]).status, 200, "{path}");
    }
    assert!(operator.get("/readyz", &[]).text().contains("policy.yaml"));
    for other in [PROXY, "spiffe://acme.internal/ns/edge/sa/gateway", "spiffe://partner.example/ns/ops/sa/x"]
    {
        let other = of(other);
        for path in ["/metrics", "/v1/fleet"] {
            let answer = other.get(path, &[]);
            assert_eq!((answer.status, &answer.json()["error"]), (403, &"identity".into()), "{path}");
        }
        let ready = other.get("/readyz", &[]);
        assert_eq!((ready.status, &ready.json()["status"]), (200, &"degraded".into()));
        assert!(!ready.text().contains("policy.yaml") && ready.json().get("problems").is_none());
        assert_eq!(other.get("/healthz", &[]).status, 200);
    }
}

#[test]
fn certificates_that_change_on_the_disk_are_taken_up() {
    let mesh = Mesh::new();
    let companion = mesh.serve(&[]);
    ready(&companion);
    let next = Ca::new("acme.internal").unwrap();
    let of = |ca: &Ca| speaking(&client(&companion, ca, Some(&ca.mint(&[PROXY]).unwrap())), false);
    let (before, after) = (of(&mesh.ca), of(&next));
    assert_eq!(asks(&before), Ok(200));
    assert!(asks(&after).is_err());

    // The key alone does not fit: what was there stays in use, and that is told.
    let folder = mesh.project.folder.path();
    let fresh = tempfile::tempdir().unwrap();
    let files = next.mint_server(SERVER).unwrap().write(fresh.path(), "server").unwrap();
    let put = |from: &Path, name: &str| fs::rename(from, folder.join(name)).unwrap();
    put(&files.key, "server.key");
    let admin = Client::new(companion.admin.unwrap());
    let problem = until("a problem", || admin.get("/readyz", &[]).json()["problems"].get(0).cloned());
    assert_eq!(problem["kind"], "tls");
    assert_eq!(asks(&before), Ok(200));

    put(&files.certificate, "server.pem");
    next.write_certificate(&folder.join("ca.pem")).unwrap();
    until("the new one", || asks(&after).ok().filter(|status| *status == 200));
    assert!(asks(&before).is_err(), "whom the old CA vouches for is nobody now");
    until("all well", || (admin.get("/readyz", &[]).json()["status"] == "ready").then_some(()));
    assert!(companion.metric("sallyport_companion_certificates_loaded_total") >= 1.0);
}

#[test]
fn a_pair_that_is_put_back_is_nothing_wrong() {
    let mesh = Mesh::new();
    let folder = mesh.project.folder.path();
    // As mounts do it: what is there under the name is a link, and the link is swapped.
    let link = |to: &str| {
        let _ = fs::remove_file(folder.join("next"));
        std::os::unix::fs::symlink(folder.join(to), folder.join("next")).unwrap();
        fs::rename(folder.join("next"), folder.join("server.key")).unwrap();
    };
    fs::rename(folder.join("server.key"), folder.join("good.key")).unwrap();
    let other = tempfile::tempdir().unwrap();
    let files = mesh.ca.mint_server(SERVER).unwrap().write(other.path(), "server").unwrap();
    fs::rename(files.key, folder.join("other.key")).unwrap();
    link("good.key");
    let companion = mesh.serve(&[]);
    ready(&companion);
    let admin = Client::new(companion.admin.unwrap());
    let problems = || admin.get("/readyz", &[]).json()["problems"].clone();
    link("other.key");
    until("a problem", || (problems()[0]["kind"] == "tls").then_some(()));
    link("good.key");
    until("all well", || problems().as_array().unwrap().is_empty().then_some(()));
}

#[test]
fn status_speaks_tls() {
    let mesh = Mesh::new();
    let companion = mesh.serve(&["--authorize", &format!("{PROXY}=*")]);
    ready(&companion);
    let folder = mesh.project.folder.path();
    mesh.ca.mint(&[PROXY]).unwrap().write(folder, "own").unwrap();
    let url = format!("https://localhost:{}", companion.address.port());
    let name = |name: &str| mesh.project.name(name);
    let with = |args: &[&str]| Command::new(PROGRAM).args(["status", &url]).args(args).output().unwrap();
    let (ca, cert, key) = (name("ca.pem"), name("own.pem"), name("own.key"));
    let good = with(&["--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &key]);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert_eq!(with(&["--tls-ca", &ca]).status.code(), Some(2));
    mesh.ca.mint(&[SERVER]).unwrap().write(folder, "other").unwrap();
    let (cert, key) = (name("other.pem"), name("other.key"));
    let other = with(&["--tls-ca", &ca, "--tls-cert", &cert, "--tls-key", &key]);
    let told = String::from_utf8(other.stderr).unwrap();
    assert!(other.status.code() == Some(2) && told.contains("--authorize"), "{told}");
    let untold = with(&[]);
    assert!(String::from_utf8(untold.stderr).unwrap().contains("--tls-ca"));
}

#[test]
fn a_certificate_that_cannot_be_used_is_an_error_at_the_start() {
    let mesh = Mesh::new();
    fs::write(mesh.project.path("server.pem"), "no certificate").unwrap();
    let mut args = mesh.project.args();
    args.extend(["--listen", "127.0.0.1:0", "--tls-cert"].map(str::to_owned));
    args.extend([mesh.project.name("server.pem"), "--tls-key".to_owned(), mesh.project.name("server.key")]);
    let ran = Command::new(PROGRAM).args(args).output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8(ran.stderr).unwrap().contains("server.pem"));
}
