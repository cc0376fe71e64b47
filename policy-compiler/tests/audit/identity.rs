//! Whose records they are: with mutual TLS, whom the certificate names, whatever headers say.

use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sallyport_playground::pki::{Ca, Svid};
use sallyport_playground::postgres::{Postgres, hand_over};

use super::common::{Companion, PROGRAM};
use super::http::Client;
use super::setup::{Kind, Proxy, Setup};

on_both!(records_are_bound_to_the_certificate);

const SERVER: &str = "spiffe://acme.internal/ns/sallyport/sa/companion";
const PROXY: &str = "spiffe://acme.internal/ns/agents/sa/research";
const OTHER: &str = "spiffe://acme.internal/ns/agents/sa/support";
const STRANGER: &str = "spiffe://acme.internal/ns/elsewhere/sa/x";

fn client(companion: &Companion, trusted: &Ca, own: Option<&Svid>) -> Client {
    let folder = tempfile::tempdir().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.certificate_pem().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(svid) => {
            let key = svid.write(folder.path(), "own").unwrap().key;
            let chain = vec![CertificateDer::from_pem_slice(svid.certificate_pem().as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Client { address: companion.address, http2: false, tls: Some(Arc::new(config)) }
}

fn records_are_bound_to_the_certificate(kind: Kind) {
    let setup = Setup::new(kind);
    let ca = Ca::new("acme.internal").unwrap();
    let folder = setup.project.folder.path();
    ca.write_certificate(&folder.join("ca.pem")).unwrap();
    ca.mint_server(SERVER).unwrap().write(folder, "server").unwrap();
    let name = |name: &str| setup.project.name(name);
    let (cert, key, ca_file) = (name("server.pem"), name("server.key"), name("ca.pem"));
    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca_file];
    let companion =
        setup.serve(&[&tls[..], &["--audit-from", "spiffe://acme.internal/ns/agents/sa/*"]].concat());
    let of = |ids: &[&str]| client(&companion, &ca, Some(&ca.mint(ids).unwrap()));

    // Two that call themselves the same are two, and none is who its header says.
    for (id, count) in [(PROXY, 2), (OTHER, 3)] {
        let mut proxy = Proxy::new(STRANGER);
        proxy.sends(&of(&[id]), count);
    }
    let proxies: Vec<_> =
        setup.all().iter().map(|line| (line["proxy"].clone(), line["verified"].clone())).collect();
    assert_eq!(proxies.iter().filter(|line| **line == (PROXY.into(), true.into())).count(), 2);
    assert_eq!(proxies.iter().filter(|line| **line == (OTHER.into(), true.into())).count(), 3);

    // No name, two names, a name that may not send: forbidden. Another CA, or no certificate: no connection.
    for ids in [&[STRANGER][..], &[PROXY, OTHER], &["https://acme.internal/x"]] {
        let mut proxy = Proxy::new("a");
        let (first, body) = proxy.body(1);
        let answer = proxy.send(&of(ids), first, &body).unwrap();
        assert_eq!((answer.status, &answer.json()["error"]), (403, &"identity".into()), "{ids:?}");
    }
    let foreign = Ca::new("acme.internal").unwrap();
    let (first, body) = Proxy::new("a").body(1);
    for own in [None, Some(foreign.mint(&[PROXY]).unwrap())] {
        assert!(Proxy::new("a").send(&client(&companion, &ca, own.as_ref()), first, &body).is_err());
    }
    assert_eq!(setup.all().len(), 5);
    setup.verified();
}

#[test]
fn postgresql_is_spoken_to_over_tls() {
    let ca = Ca::new("acme.internal").unwrap();
    let server = Postgres::start(|folder| {
        let files = ca.mint_server(SERVER).unwrap().write(folder, "server").unwrap();
        hand_over(&files.key, 0o600)?;
        let name = |path: &std::path::Path| path.display().to_string();
        hand_over(&files.certificate, 0o600)?;
        Ok(vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", name(&files.certificate)),
            format!("ssl_key_file={}", name(&files.key)),
        ])
    })
    .unwrap();
    let mut setup = Setup::new(Kind::Sqlite);
    let url = server.url().replace("127.0.0.1", "localhost").replace("disable", "require");
    setup.server = Some(server);
    let folder = setup.project.folder.path();
    ca.write_certificate(&folder.join("ca.pem")).unwrap();
    Ca::new("acme.internal").unwrap().write_certificate(&folder.join("other.pem")).unwrap();
    let serve = |ca: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(setup.project.args()).args(["--audit", &url, "--audit-key", &setup.key()]);
        command
            .args(["--listen", "127.0.0.1:0"])
            .env("SSL_CERT_FILE", folder.join(ca))
            .env_remove("SSL_CERT_DIR");
        Companion::spawn(command, false)
    };
    let trusted = serve("ca.pem");
    Proxy::new("a").sends(&trusted.client(), 2);
    let other = serve("other.pem");
    let (first, body) = Proxy::new("b").body(1);
    assert_eq!(Proxy::new("b").send(&other.client(), first, &body).unwrap().status, 503);
    assert_eq!(setup.all().len(), 2);
    setup.tamper("DO $$ BEGIN IF NOT (SELECT bool_or(ssl) FROM pg_stat_ssl) THEN RAISE 'nobody speaks TLS'; END IF; END $$");
}
