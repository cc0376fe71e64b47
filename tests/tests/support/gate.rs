//! A real Envoy with the module in it, and everything around it: what tests of bundles and tests of records have in common.

use std::path::Path;
use std::time::{Duration, Instant};

use sallyport_engine::bundle::decode;
use sallyport_engine::policy::PolicyParts;
use sallyport_playground::client::{Client, Protocol};
use sallyport_playground::envoy::{Companion, Config, Envoy, Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_playground::upstream::{Answer, Upstream};
use sallyport_playground::{Request, Response};

/// The service of the policies of these tests.
pub const HOST: &str = "tool-api.tools.svc.cluster.local";
/// How long a change may take to be seen at most, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The gate, an upstream that echoes, and an agent that calls.
pub struct Gate {
    pub ca: Ca,
    pub envoy: Envoy,
    pub upstream: Upstream,
    client: Client,
}

impl Gate {
    /// An Envoy with so many workers and a certificate of the CA, which finds a companion; `agent` is who calls.
    pub fn start(ca: Ca, companion: Companion, mut wasm: Wasm, workers: u32, agent: &str) -> Self {
        let program = Program::find(None).unwrap();
        let configuration: serde_json::Value = serde_json::from_str(&wasm.configuration).unwrap();
        // As Istio keeps callers for waypoints; elsewhere nobody asks.
        let peer_principal = configuration["identity"] == "peerPrincipal";
        wasm.configuration = program.fitted(configuration).to_string();
        let upstream = Upstream::start(Answer::Echo).unwrap();
        let server = ca.mint_server("spiffe://acme.internal/gate").unwrap();
        let mut config = Config::new(program, server, &ca, upstream.address());
        config.peer_principal = peer_principal;
        config.companion = Some(companion);
        config.concurrency = workers;
        config.wasm = Some(wasm);
        let envoy = Envoy::start(&config).unwrap();
        let client = client(&ca, &envoy, &[&name(agent)]).resume_sessions();
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

    pub fn stat(&self, name: &str) -> Option<u64> {
        let stats = self.envoy.stats(name).unwrap();
        stats.into_iter().find(|(full, _)| full.ends_with(name)).map(|(_, value)| value)
    }

    /// A client of an agent.
    pub fn caller(&self, agent: &str) -> Client {
        client(&self.ca, &self.envoy, &[&name(agent)]).resume_sessions()
    }
}

/// A client whose certificate has these URI SANs.
pub fn client(ca: &Ca, envoy: &Envoy, names: &[&str]) -> Client {
    let identity = ca.mint(names).unwrap();
    Client::new(envoy.address(), Protocol::Http1, ca, Some(&identity)).unwrap()
}

/// The SPIFFE ID of an agent.
fn name(agent: &str) -> String {
    format!("spiffe://acme.internal/ns/agents/sa/{agent}")
}

/// The policy of a file beside the tests.
pub fn compiled(file: &str) -> PolicyParts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
    let (bytes, report) = policy_compiler::load_bundle(&path);
    let bytes = bytes.unwrap_or_else(|| panic!("{report:?}"));
    decode(&bytes).unwrap().parts().clone()
}
