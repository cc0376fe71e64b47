//! A gate whose policy comes from a companion, and who publishes it.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::Policy;
use sallyport_engine::bundle::{Terms, encode_under};
use sallyport_engine::policy::PolicyParts;
use sallyport_playground::client::Client;
use sallyport_playground::envoy::{Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_tests::wasm_host::Module;

use crate::support::{self, compiled};

pub use crate::support::{HOST, PATIENCE};

/// A policy that lets callers read `/odd` if its serial is odd, and `/even` if it is even: an answer shows which one it was judged by.
pub struct Publisher {
    pub key: SecretKey,
    odd: PolicyParts,
    even: PolicyParts,
}

impl Publisher {
    pub fn new() -> Self {
        let (odd, even) = (compiled("following/odd.yaml"), compiled("following/even.yaml"));
        Self { key: SecretKey::generate().unwrap(), odd, even }
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
        Self(support::Gate::start(
            ca,
            companion.into(),
            discovered(module, configuration),
            workers,
            "agent-0",
        ))
    }

    /// Gives the filter another configuration, as Istio does when a `WasmPlugin` changes.
    pub fn reconfigure(&self, configuration: &serde_json::Value) {
        let configuration = Program::find(None).unwrap().fitted(configuration.clone());
        self.envoy.reconfigure(&discovered(&Module::default_path(), &configuration)).unwrap();
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

    /// The serial that a worker put into force last.
    pub fn serial(&self) -> Option<u64> {
        self.stat("sallyport_policy_serial")
    }

    /// How often a call came to this end.
    pub fn fetched(&self, result: &str) -> u64 {
        self.stat(&format!("result=.={result};.;sallyport_fetches_total")).unwrap_or(0)
    }

    /// A client whose certificate has these URI SANs.
    pub fn caller_of(&self, names: &[&str]) -> Client {
        support::client(&self.ca, &self.envoy, names)
    }
}
