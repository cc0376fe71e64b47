//! What a proxy's metrics say where its workers do not agree. In a real Envoy they hardly ever do not for long enough to look; here, the
//! workers' clocks differ.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::Policy;
use sallyport_engine::bundle::{Terms, encode_under};
use sallyport_engine::policy::PolicyParts;
use sallyport_tests::wasm_host::{Metric, Module, Options, Vm};

/// When the bundles here expire that do.
const END: u64 = 2_000_000_000;

/// The workers of one proxy.
struct Proxy {
    module: Module,
    key: SecretKey,
    options: Options,
}

impl Proxy {
    fn new() -> Self {
        let module = Module::load(&Module::default_path()).unwrap();
        Self { module, key: SecretKey::generate().unwrap(), options: Options::default() }
    }

    /// A worker whose clock stands at this time, and whose configuration brings a bundle.
    fn worker(&self, clock: u64, serial: u64, not_after: u64) -> Vm {
        let policy = Policy::new(PolicyParts { serial, ..PolicyParts::default() }).unwrap();
        let terms = Terms { not_before: 0, not_after, ..Terms::default() };
        let bytes = encode_under(&policy, &terms).unwrap();
        let bundle = keys::sign(&bytes, std::slice::from_ref(&self.key)).unwrap();
        let configuration = serde_json::json!({
            "keys": [STANDARD.encode(self.key.public().unwrap().to_bytes())],
            "bundle": STANDARD.encode(bundle),
            "companion": {"cluster": "companion", "authority": "companion.test"},
            "clock": clock,
        });
        Vm::start_with(&self.module, &configuration.to_string(), self.options.clone()).unwrap()
    }
}

fn gauge(vm: &Vm, name: &str) -> Option<Metric> {
    vm.metrics().get(name).copied()
}

/// Some time in which every worker looks at what the others have, the last one of them last.
fn tick(workers: [&mut Vm; 2]) {
    let [first, second] = workers;
    for _ in 0..3 {
        assert!(first.tick().unwrap() && second.tick().unwrap());
    }
}

#[test]
fn a_worker_without_a_policy_shows_although_others_have_one() {
    let proxy = Proxy::new();
    let mut late = proxy.worker(END + 1, 1, END);
    assert_eq!(gauge(&late, "sallyport_policy_loaded"), Some(Metric::Gauge(0)));
    let mut good = proxy.worker(END - 1, 1, END);
    assert_eq!(gauge(&good, "sallyport_policy_loaded"), Some(Metric::Gauge(1)), "that was told last");
    tick([&mut late, &mut good]);
    assert_eq!(gauge(&good, "sallyport_policy_loaded"), Some(Metric::Gauge(0)));
    // Both can take the next one.
    let mut next = proxy.worker(END - 1, 2, u64::MAX);
    tick([&mut late, &mut good]);
    assert!(next.tick().unwrap());
    assert_eq!(gauge(&good, "sallyport_policy_loaded"), Some(Metric::Gauge(1)));
    assert_eq!(gauge(&good, "sallyport_policy_serial"), Some(Metric::Gauge(2)));
}

#[test]
fn a_worker_that_stays_behind_shows_although_others_do_not() {
    let proxy = Proxy::new();
    let mut late = proxy.worker(END + 1, 1, u64::MAX);
    let mut good = proxy.worker(END - 1, 2, END);
    assert_eq!(gauge(&good, "sallyport_policy_serial"), Some(Metric::Gauge(2)), "that was told last");
    tick([&mut late, &mut good]);
    assert_eq!(gauge(&good, "sallyport_policy_serial"), Some(Metric::Gauge(1)));
    assert_eq!(gauge(&good, "sallyport_policy_loaded"), Some(Metric::Gauge(1)));
}
