//! A real Envoy with the module in it, whose policy comes from a companion.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::Policy;
use sallyport_engine::bundle::{Terms, decode, encode_under};
use sallyport_engine::policy::PolicyParts;
use sallyport_playground::client::{Client, Protocol};
use sallyport_playground::envoy::{Config, Envoy, Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_playground::upstream::{Answer, Upstream};
use sallyport_playground::{Request, Response};
use sallyport_tests::wasm_host::Module;

/// The service of the policies here.
pub const HOST: &str = "tool-api.tools.svc.cluster.local";
/// How long a change may take to be seen at most, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A policy that lets callers read `/odd` if its serial is odd, and `/even` if it is even: an answer shows which one it was judged by.
pub struct Publisher {
    pub key: SecretKey,
    odd: PolicyParts,
    even: PolicyParts,
}

impl Publisher {
    pub fn new() -> Self {
        let compiled = |name: &str| {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/following").join(name);
            let (bytes, report) = policy_compiler::load_bundle(&path);
            let bytes = bytes.unwrap_or_else(|| panic!("{report:?}"));
            decode(&bytes).unwrap().parts().clone()
        };
        Self { key: SecretKey::generate().unwrap(), odd: compiled("odd.yaml"), even: compiled("even.yaml") }
    }

    /// The bundle of a serial, signed.
    pub fn bundle(&self, serial: u64) -> Vec<u8> {
        self.bundle_under(serial, &Terms::default())
    }

    /// The same under terms.
    pub fn bundle_under(&self, serial: u64, terms: &Terms) -> Vec<u8> {
        self.sign(&self.unsigned(serial, terms, |_| {}))
    }

    /// The same, with something in the policy changed.
    pub fn bundle_with(&self, serial: u64, change: impl FnOnce(&mut PolicyParts)) -> Vec<u8> {
        self.sign(&self.unsigned(serial, &Terms::default(), change))
    }

    pub fn unsigned(&self, serial: u64, terms: &Terms, change: impl FnOnce(&mut PolicyParts)) -> Vec<u8> {
        let mut parts = if serial % 2 == 1 { self.odd.clone() } else { self.even.clone() };
        parts.serial = serial;
        change(&mut parts);
        encode_under(&Policy::new(parts).unwrap(), terms).unwrap()
    }

    fn sign(&self, bundle: &[u8]) -> Vec<u8> {
        keys::sign(bundle, std::slice::from_ref(&self.key)).unwrap()
    }

    /// The plugin configuration that follows a companion and trusts this publisher alone.
    pub fn configuration(&self) -> serde_json::Value {
        serde_json::json!({
            "keys": [public(&self.key)],
            "companion": {"cluster": "companion", "authority": "companion.test"},
        })
    }
}

/// A key as plugin configurations have it.
pub fn public(key: &SecretKey) -> String {
    STANDARD.encode(key.public().unwrap().to_bytes())
}

/// A bundle as plugin configurations have it.
pub fn inline(bundle: &[u8]) -> serde_json::Value {
    STANDARD.encode(bundle).into()
}

fn discovered(module: &Path, configuration: &serde_json::Value) -> Wasm {
    Wasm { discovered: true, ..Wasm::new(module, configuration.to_string()) }
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
        let upstream = Upstream::start(Answer::Echo).unwrap();
        let server = ca.mint_server("spiffe://acme.internal/gate").unwrap();
        let mut config = Config::new(Program::find(None).unwrap(), server, &ca, upstream.address());
        config.companion = Some(companion.into());
        config.concurrency = workers;
        config.wasm = Some(discovered(module, configuration));
        let envoy = Envoy::start(&config).unwrap();
        let client = caller(&ca, &envoy, "agent-0");
        Self { ca, envoy, upstream, client }
    }

    /// Gives the filter another configuration, as Istio does when a `WasmPlugin` changes.
    pub fn reconfigure(&self, configuration: &serde_json::Value) {
        self.envoy.reconfigure(&discovered(&Module::default_path(), configuration)).unwrap();
    }

    /// The status that a request for this path gets, on a connection of its own: so any worker may answer.
    pub fn status(&self, path: &str) -> u16 {
        self.send(&Request::new("GET", HOST, path)).status
    }

    /// The answer to a request.
    pub fn send(&self, request: &Request) -> Response {
        self.client.send(request).unwrap()
    }

    /// Whether this serial is what a request is judged by now.
    pub fn is_judged_by(&self, serial: u64) -> bool {
        let (open, shut) = if serial % 2 == 1 { ("/odd", "/even") } else { ("/even", "/odd") };
        self.status(open) == 200 && self.status(shut) == 403 && self.serial() == Some(serial)
    }

    /// Waits until it is; how long that took.
    pub fn wait_for_serial(&self, serial: u64) -> Duration {
        let begun = Instant::now();
        self.wait_until(&format!("serial {serial} is enforced"), || self.is_judged_by(serial));
        begun.elapsed()
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

    /// The serial that a worker put into force last.
    pub fn serial(&self) -> Option<u64> {
        self.stat("sallyport_policy_serial")
    }

    /// How often a call came to this end.
    pub fn fetched(&self, result: &str) -> u64 {
        self.stat(&format!("result=.={result};.;sallyport_fetches_total")).unwrap_or(0)
    }

    pub fn stat(&self, name: &str) -> Option<u64> {
        let stats = self.envoy.stats(name).unwrap();
        stats.into_iter().find(|(full, _)| full.ends_with(name)).map(|(_, value)| value)
    }

    /// A client whose certificate has these URI SANs.
    pub fn caller_of(&self, names: &[&str]) -> Client {
        let identity = self.ca.mint(names).unwrap();
        Client::new(self.envoy.address(), Protocol::Http1, &self.ca, Some(&identity)).unwrap()
    }

    /// A client of an agent.
    pub fn caller(&self, agent: &str) -> Client {
        caller(&self.ca, &self.envoy, agent)
    }
}

fn caller(ca: &Ca, envoy: &Envoy, agent: &str) -> Client {
    let identity = ca.mint(&[format!("spiffe://acme.internal/ns/agents/sa/{agent}")]).unwrap();
    Client::new(envoy.address(), Protocol::Http1, ca, Some(&identity)).unwrap().resume_sessions()
}
