//! A VM that traps takes no record along.

use sallyport_engine::policy::Overflow;
use sallyport_playground::{Body, Request};
use sallyport_tests::wasm_host::Module;

use crate::archive::{Act, Archive};
use crate::gate::{Gate, HOST, Publisher, audit};
use crate::trapping::trapping;

#[test]
fn what_was_recorded_before_a_trap_arrives() {
    for overflow in [Overflow::DropOldest, Overflow::Required] {
        let publisher = Publisher::new();
        let bundle = publisher.bundle(audit(overflow, 200));
        let archive = Archive::start(bundle.clone(), Act::Close);
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("trapping.wasm");
        let code = std::fs::read(Module::default_path()).unwrap();
        std::fs::write(&module, trapping(&code, "proxy_on_request_trailers")).unwrap();
        let gate = Gate::start_with(archive.address(), &publisher.configuration(&bundle), 2, &module);
        assert_eq!(gate.load(50), [(200, 50)]);
        for round in 1..=3 {
            let trailers =
                Request::new("POST", HOST, "/docs/1").body(Body::chunked(["x"])).trailer("x-after", "1");
            assert_eq!(gate.send(&trailers).status, 503, "the request that traps is refused");
            // Envoy makes the VM anew when the next request comes to its worker.
            gate.wait_until("a fresh VM", || {
                gate.status("/docs/1");
                gate.stat("wasm.sallyport.vm_reload_success") >= Some(round)
            });
        }
        archive.act(Act::Keep);
        gate.wait_until("what was recorded arrived", || archive.kept() >= 50);
        gate.wait_until("nothing waits", || gate.stat("sallyport_audit_queued") == Some(0));
        let allowed = archive.records().iter().filter(|record| record["verdict"] == "allow").count();
        let passed = gate.upstream.take().len();
        assert!(allowed >= 50 && archive.holes() <= archive.dropped(), "{allowed} of {passed}");
        assert_eq!((archive.epochs(), archive.wrong()), (1, vec![]), "the queue outlives the VM");
    }
}
