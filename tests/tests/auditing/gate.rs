//! A real Envoy with the module in it, whose records go to a companion.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::Policy;
use sallyport_engine::bundle::{Terms, decode, encode_under};
use sallyport_engine::policy::{Audit, Overflow};
use sallyport_playground::client::{Client, Protocol};
use sallyport_playground::envoy::{Companion, Config, Envoy, Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_playground::upstream::{Answer, Upstream};
use sallyport_playground::{Request, Response};
use sallyport_tests::wasm_host::Module;

/// The service of the policy here.
pub const HOST: &str = "tool-api.tools.svc.cluster.local";
/// How long a change may take to be seen at most, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Signs policy that lets agents read and write at the service.
pub struct Publisher(SecretKey);

impl Publisher {
    pub fn new() -> Self {
        Self(SecretKey::generate().unwrap())
    }

    /// The bundle, with this in the place of what it says of records.
    pub fn bundle(&self, audit: Audit) -> Vec<u8> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/auditing/policy.yaml");
        let (bytes, report) = policy_compiler::load_bundle(&path);
        let bytes = bytes.unwrap_or_else(|| panic!("{report:?}"));
        let mut parts = decode(&bytes).unwrap().parts().clone();
        parts.serial = 7;
        parts.settings.audit = audit;
        let bundle = encode_under(&Policy::new(parts).unwrap(), &Terms::default()).unwrap();
        keys::sign(&bundle, std::slice::from_ref(&self.0)).unwrap()
    }

    /// The key that bundles are verified by, in PEM.
    pub fn public_pem(&self) -> String {
        keys::public_pem(&self.0.public().unwrap())
    }

    /// A plugin configuration that begins with a bundle, and follows a companion.
    pub fn configuration(&self, bundle: &[u8]) -> serde_json::Value {
        serde_json::json!({
            "keys": [STANDARD.encode(self.0.public().unwrap().to_bytes())],
            "bundle": STANDARD.encode(bundle),
            "companion": {"cluster": "companion", "authority": "companion.test"},
        })
    }
}

/// What policy says of records.
pub fn audit(overflow: Overflow, records: u32) -> Audit {
    Audit { overflow, records, ..Audit::default() }
}

/// The gate, and everything around it.
pub struct Gate {
    pub ca: Ca,
    pub envoy: Envoy,
    pub upstream: Upstream,
    client: Client,
}

impl Gate {
    pub fn start(companion: SocketAddr, configuration: &serde_json::Value, workers: u32) -> Self {
        Self::start_with(companion, configuration, workers, &Module::default_path())
    }

    /// The same with another module.
    pub fn start_with(
        companion: SocketAddr,
        configuration: &serde_json::Value,
        workers: u32,
        module: &Path,
    ) -> Self {
        let ca = Ca::new("acme.internal").unwrap();
        Self::start_before(ca, companion.into(), configuration, workers, module)
    }

    /// The same with a CA of our own, and a companion that may want certificates of it.
    pub fn start_before(
        ca: Ca,
        companion: Companion,
        configuration: &serde_json::Value,
        workers: u32,
        module: &Path,
    ) -> Self {
        let upstream = Upstream::start(Answer::Echo).unwrap();
        let server = ca.mint_server("spiffe://acme.internal/gate").unwrap();
        let mut config = Config::new(Program::find(None).unwrap(), server, &ca, upstream.address());
        config.companion = Some(companion);
        config.concurrency = workers;
        config.wasm = Some(Wasm::new(module, configuration.to_string()));
        let envoy = Envoy::start(&config).unwrap();
        let client = caller(&ca, &envoy);
        Self { ca, envoy, upstream, client }
    }

    /// The status that a request for this path gets, on a connection of its own: so any worker may answer.
    pub fn status(&self, path: &str) -> u16 {
        self.send(&Request::new("GET", HOST, path)).status
    }

    /// The answer to a request.
    pub fn send(&self, request: &Request) -> Response {
        self.client.send(request).unwrap()
    }

    /// Sends so many requests, from four callers at once; how many got each status.
    pub fn load(&self, requests: usize) -> Vec<(u16, u64)> {
        let callers: Vec<_> = (0..4).map(|_| caller(&self.ca, &self.envoy)).collect();
        let request = Request::new("GET", HOST, "/docs/1");
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for (at, client) in callers.iter().enumerate() {
                let (share, request) = ((requests + at) / 4, &request);
                threads.push(scope.spawn(move || {
                    (0..share).map(|_| client.send(request).unwrap().status).collect::<Vec<_>>()
                }));
            }
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.len(), requests);
        let mut counted = std::collections::BTreeMap::new();
        for status in statuses {
            *counted.entry(status).or_insert(0) += 1;
        }
        counted.into_iter().collect()
    }

    pub fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            if begun.elapsed() > PATIENCE {
                let log: String =
                    self.envoy.log().iter().rev().take(10).map(|line| format!("\n  {line}")).collect();
                let stats = self.envoy.stats("sallyport_").unwrap();
                panic!("not within {PATIENCE:?}: {what}; {stats:?}; the log's end, newest first:{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How often a call with records came to this end.
    pub fn calls(&self, result: &str) -> u64 {
        self.stat(&format!("result=.={result};.;sallyport_audit_calls_total")).unwrap_or(0)
    }

    pub fn stat(&self, name: &str) -> Option<u64> {
        let stats = self.envoy.stats(name).unwrap();
        stats.into_iter().find(|(full, _)| full.ends_with(name)).map(|(_, value)| value)
    }
}

/// A client of an agent.
pub fn caller(ca: &Ca, envoy: &Envoy) -> Client {
    let identity = ca.mint(&["spiffe://acme.internal/ns/agents/sa/reader"]).unwrap();
    Client::new(envoy.address(), Protocol::Http1, ca, Some(&identity)).unwrap().resume_sessions()
}
