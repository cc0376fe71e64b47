//! Nothing is lost that is not counted, however many workers there are.

use sallyport_engine::policy::Overflow;

use crate::archive::{Act, Archive};
use crate::gate::{Gate, HOST, Publisher, audit};
use sallyport_playground::Request;

#[test]
fn every_request_has_its_record_at_the_companion() {
    for workers in [1, 2, 4] {
        let publisher = Publisher::new();
        let bundle = publisher.bundle(audit(Overflow::DropOldest, 4096));
        let archive = Archive::start(bundle.clone(), Act::Keep);
        let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), workers);
        assert_eq!(gate.load(1200), [(200, 1200)]);
        gate.wait_until("all arrived", || archive.kept() >= 1200);
        gate.wait_until("nothing waits", || gate.stat("sallyport_audit_queued") == Some(0));
        assert_eq!((archive.kept(), archive.holes(), archive.dropped()), (1200, 0, 0), "{workers} workers");
        assert_eq!((archive.epochs(), archive.duplicates()), (1, 0));
        assert_eq!(archive.wrong(), Vec::<String>::new());
    }
}

#[test]
fn a_record_says_who_what_where_and_when() {
    let publisher = Publisher::new();
    let bundle = publisher.bundle(audit(Overflow::DropOldest, 10));
    let archive = Archive::start(bundle.clone(), Act::Keep);
    let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), 1);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = Request::new("GET", HOST, "/docs/1")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .header("x-request-id", "b1a9f6ab-7b1f-4f36-a6ac-0a1a4c31e57e");
    assert_eq!(gate.send(&request).status, 200);
    gate.wait_until("it arrived", || archive.kept() == 1);
    let record = &archive.records()[0];
    assert_eq!(record["caller"], "spiffe://acme.internal/ns/agents/sa/reader");
    assert_eq!((&record["destination"], &record["traceId"]), (&HOST.into(), &trace.into()));
    assert_eq!((&record["workload"], &record["serial"]), (&"playground".into(), &7.into()));
    assert_eq!(record["operation"], "http GET /docs/{id}");
    assert!(record["requestId"].as_str().unwrap().len() == 36, "{record}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::from(record["time"].as_u64().unwrap()).abs_diff(now) < 60_000);
    assert!((1..1_000_000).contains(&record["decisionMicros"].as_u64().unwrap()), "{record}");
}

#[test]
fn where_there_is_no_companion_and_records_are_required_nothing_goes_on() {
    let publisher = Publisher::new();
    let bundle = publisher.bundle(audit(Overflow::Required, 10));
    let archive = Archive::start(bundle.clone(), Act::Keep);
    let mut configuration = publisher.configuration(&bundle);
    configuration.as_object_mut().unwrap().remove("companion");
    let gate = Gate::start(archive.address(), &configuration, 1);
    let answer = gate.send(&Request::new("GET", HOST, "/docs/1"));
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("audit.unavailable"), "{}", answer.text());
    assert_eq!(archive.calls(), 0);
}
