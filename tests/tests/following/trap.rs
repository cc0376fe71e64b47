//! A VM that traps is made anew, and has the policy of before from what the workers share.

use std::time::Duration;

use sallyport_playground::{Body, Request};
use sallyport_tests::wasm_host::Module;

use crate::gate::{Gate, HOST, Publisher};
use crate::scripted::{Act, Scripted};
use crate::trapping::trapping;

/// The callback that is made to trap: only requests with trailers reach it.
const CALLBACK: &str = "proxy_on_request_trailers";

#[test]
fn a_fresh_vm_has_the_policy_without_a_companion() {
    let publisher = Publisher::new();
    let companion = Scripted::start(Act::Serve(publisher.bundle(5)));
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("trapping.wasm");
    std::fs::write(&module, trapping(&std::fs::read(Module::default_path()).unwrap(), CALLBACK)).unwrap();
    let gate = Gate::start_with(companion.address(), &publisher.configuration(), 2, &module);
    gate.wait_for_serial(5);
    gate.wait_until("all VMs have it", || gate.stat("sallyport_policy_loads_total") == Some(3));
    companion.act(Act::Close);
    for round in 1..=2 {
        let trailers = Request::new("GET", HOST, "/odd").body(Body::chunked(["x"])).trailer("x-after", "1");
        assert_eq!(gate.send(&trailers).status, 503, "the request that traps is refused");
        // Envoy makes the VM anew when the next request comes to its worker.
        gate.wait_until("a fresh VM", || {
            gate.status("/odd");
            gate.stat("wasm.sallyport.vm_reload_success") >= Some(round)
        });
        gate.wait_until("the policy of before", || (0..20).all(|_| gate.status("/odd") == 200));
        assert_eq!(gate.status("/even"), 403);
    }
    // What the proxy had is remembered, too: an older bundle does not get in by the fresh VM.
    companion.act(Act::Serve(publisher.bundle(4)));
    gate.wait_until("what is older is refused", || gate.fetched("older") > 0);
    assert!(gate.is_judged_by(5));
    companion.act(Act::Serve(publisher.bundle(6)));
    gate.wait_for_serial(6);
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..20 {
        assert!(gate.is_judged_by(6), "on every worker");
    }
}
