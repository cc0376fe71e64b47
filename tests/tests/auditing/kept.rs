//! From a real Envoy to the store of a real companion, over mutual TLS, on both databases: every record once, whatever happens to
//! the companion, and from nobody but whom it knows.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use policy_compiler::keys::SecretKey;
use sallyport_engine::policy::Overflow;
use sallyport_playground::envoy::{self, CompanionTls};
use sallyport_playground::pki::Ca;
use sallyport_playground::postgres::Postgres;
use sallyport_tests::companion::{Companion, program};
use sallyport_tests::wasm_host::Module;
use serde_json::Value;
use tempfile::TempDir;

use crate::gate::{Gate, Publisher, audit};

pub const COMPANION: &str = "spiffe://acme.internal/ns/sallyport/sa/companion";
pub const GATE: &str = "spiffe://acme.internal/ns/tools/sa/tool-api";

/// A folder with all that a companion is started with, and its store.
pub struct Home {
    folder: TempDir,
    pub ca: Ca,
    publisher: Publisher,
    bundle: Vec<u8>,
    server: Option<Postgres>,
}

impl Home {
    pub fn new(server: Option<Postgres>) -> Self {
        let (folder, ca, publisher) =
            (tempfile::tempdir().unwrap(), Ca::new("acme.internal").unwrap(), Publisher::new());
        let bundle = publisher.bundle(audit(Overflow::DropOldest, 4096));
        let home = Self { folder, ca, publisher, bundle, server };
        fs::create_dir(home.name("bundles")).unwrap();
        fs::write(home.name("bundles/policy.bundle"), &home.bundle).unwrap();
        fs::write(home.name("policy.pub"), home.publisher.public_pem()).unwrap();
        let key = SecretKey::generate().unwrap();
        key.write_new(home.name("audit.key").as_ref()).unwrap();
        policy_compiler::keys::write_public(&key.public().unwrap(), home.name("audit.pub").as_ref()).unwrap();
        home.ca.write_certificate(home.name("ca.pem").as_ref()).unwrap();
        home.ca.mint_server(COMPANION).unwrap().write(home.folder.path(), "server").unwrap();
        home
    }

    fn name(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn store(&self) -> String {
        self.server.as_ref().map_or_else(|| self.name("audit.db"), Postgres::url)
    }

    /// Serves at an address, and takes records from whom this pattern covers.
    pub fn serve(&self, address: &str, from: &str) -> Companion {
        let (store, bundles, public) = (self.store(), self.name("bundles"), self.name("policy.pub"));
        let (key, ca) = (self.name("audit.key"), self.name("ca.pem"));
        let (cert, cert_key) = (self.name("server.pem"), self.name("server.key"));
        let policy = ["--bundles", &bundles, "--key", &public];
        let tls = ["--tls-cert", &cert, "--tls-key", &cert_key, "--tls-client-ca", &ca];
        let audit = ["--audit", &store, "--audit-key", &key, "--audit-from", from];
        Companion::start_on(address, &[&policy[..], &tls, &audit].concat()).unwrap()
    }

    /// A gate that shows the companion a certificate of `signer` for [`GATE`], and wants one for `expected` of it.
    pub fn gate(&self, companion: SocketAddr, signer: &Ca, expected: &str) -> Gate {
        let tls = CompanionTls {
            own: signer.mint(&[GATE]).unwrap(),
            trusted_pem: self.ca.certificate_pem(),
            spiffe_id: expected.to_owned(),
        };
        let companion = envoy::Companion { address: companion, tls: Some(tls) };
        let configuration = self.publisher.configuration(&self.bundle);
        let callers = Ca::new("acme.internal").unwrap();
        Gate::start_before(callers, companion, &configuration, 2, &Module::default_path())
    }

    fn audit(&self, arguments: &[&str]) -> Output {
        let (command, rest) = arguments.split_first().unwrap();
        let mut audit = Command::new(program().unwrap());
        audit.args(["audit", command, "--store", &self.store()]).args(rest).output().unwrap()
    }

    /// Every record that the store has.
    pub fn records(&self) -> Vec<Value> {
        let output = self.audit(&["export"]);
        let lines = String::from_utf8(output.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// That these are all, each once, in one chain that verifies and lacks nothing.
    pub fn holds(&self, requests: usize) {
        let records = self.records();
        let number = |one: &Value| (one["epoch"].to_string(), one["record"]["seq"].as_u64().unwrap());
        let numbers: BTreeSet<_> = records.iter().map(number).collect();
        assert_eq!((records.len(), numbers.len()), (requests, requests), "each once");
        assert!(records.iter().all(|one| one["proxy"] == GATE && one["verified"] == true));
        let output = self.audit(&["verify", "--key", &self.name("audit.pub"), "--format", "json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &told["good"]), (Some(0), &true.into()), "{told}");
        let chain = &told["chains"][0];
        let count = |key: &str| chain[key].as_u64().unwrap();
        assert_eq!((count("records"), count("missing"), count("dropped")), (requests as u64, 0, 0), "{told}");
    }
}

/// Runs a test on both databases.
macro_rules! on_both {
    ($($name:ident),+) => {
        $(mod $name {
            use sallyport_playground::postgres::Postgres;
            #[test]
            fn sqlite() {
                super::$name(super::Home::new(None));
            }
            #[test]
            fn postgres() {
                super::$name(super::Home::new(Some(Postgres::start(|_| Ok(Vec::new())).unwrap())));
            }
        })+
    };
}

on_both!(every_decision_is_in_the_store_once, who_is_not_known_is_refused_and_nothing_is_lost);

fn every_decision_is_in_the_store_once(home: Home) {
    let mut companion = home.serve("127.0.0.1:0", GATE);
    let address = companion.address();
    let gate = home.gate(address, &home.ca, COMPANION);
    assert_eq!(gate.load(1000), [(200, 1000)]);
    gate.wait_until("all are in the store", || home.records().len() >= 1000);
    home.holds(1000);
    // Killed while records come in, again and again.
    let mut asked = 1000;
    for pause in [150, 400, 900] {
        thread::scope(|scope| {
            let load = scope.spawn(|| gate.load(800));
            thread::sleep(Duration::from_millis(pause));
            drop(companion);
            assert_eq!(load.join().unwrap(), [(200, 800)], "requests notice nothing");
        });
        asked += 800;
        companion = home.serve(&address.to_string(), GATE);
        gate.wait_until("all are in the store", || home.records().len() >= asked);
    }
    gate.wait_until("nothing waits", || gate.stat("sallyport_audit_queued") == Some(0));
    assert!(gate.calls("status") + gate.calls("unreachable") > 0, "it was away");
    home.holds(asked);
    drop(companion);
    home.holds(asked);
}

fn who_is_not_known_is_refused_and_nothing_is_lost(home: Home) {
    // A companion that takes records of others only.
    let companion = home.serve("127.0.0.1:0", "spiffe://acme.internal/ns/other/sa/*");
    let address = companion.address();
    let gate = home.gate(address, &home.ca, COMPANION);
    assert_eq!(gate.load(50), [(200, 50)]);
    gate.wait_until("it is refused", || gate.calls("status") > 1);
    // One that shows a certificate of another CA, and one that expects another companion.
    let foreign = Ca::new("acme.internal").unwrap();
    for (signer, expected) in [(&foreign, COMPANION), (&home.ca, "spiffe://acme.internal/ns/x/sa/y")] {
        let stranger = home.gate(address, signer, expected);
        assert_eq!(stranger.load(5), [(200, 5)]);
        // Where there is no connection, it is Envoy itself that answers the call.
        stranger.wait_until("it is not heard", || stranger.calls("status") > 1);
    }
    assert_eq!(home.records().len(), 0);
    drop(companion);
    let _companion = home.serve(&address.to_string(), GATE);
    gate.wait_until("who is known now gets rid of all", || home.records().len() >= 50);
    home.holds(50);
}
