//! A gate whose records go to a companion.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::Policy;
use sallyport_engine::bundle::{Terms, encode_under};
use sallyport_engine::policy::{Audit, Overflow};
use sallyport_playground::Request;
use sallyport_playground::envoy::{Companion, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_tests::wasm_host::Module;

use crate::support::{self, compiled};

pub use crate::support::HOST;

/// Who calls.
pub const AGENT: &str = "reader";

/// Signs policy that lets agents read and write at the service.
pub struct Publisher(SecretKey);

impl Publisher {
    pub fn new() -> Self {
        Self(SecretKey::generate().unwrap())
    }

    /// The bundle, with this in the place of what it says of records.
    pub fn bundle(&self, audit: Audit) -> Vec<u8> {
        let mut parts = compiled("auditing/policy.yaml");
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

/// The gate.
pub struct Gate(support::Gate);

impl Deref for Gate {
    type Target = support::Gate;

    fn deref(&self) -> &support::Gate {
        &self.0
    }
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
        let wasm = Wasm::new(module, configuration.to_string());
        Self(support::Gate::start(ca, companion, wasm, workers, AGENT))
    }

    /// Sends so many requests, from four callers at once; how many got each status.
    pub fn load(&self, requests: usize) -> Vec<(u16, u64)> {
        let callers: Vec<_> = (0..4).map(|_| self.caller(AGENT)).collect();
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
        let mut counted = BTreeMap::new();
        for status in statuses {
            *counted.entry(status).or_insert(0) += 1;
        }
        counted.into_iter().collect()
    }

    /// How often a call with records came to this end.
    pub fn calls(&self, result: &str) -> u64 {
        self.stat(&format!("result=.={result};.;sallyport_audit_calls_total")).unwrap_or(0)
    }
}
