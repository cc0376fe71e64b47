//! How a gate begins, and how it begins again.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use sallyport_engine::bundle::{ENGINE, FORMAT};
use sallyport_engine::policy::{Otherwise, Staleness};

use crate::gate::{Gate, PATIENCE, Publisher, inline};
use crate::scripted::{Act, Scripted};

#[test]
fn nothing_passes_before_the_first_bundle_and_all_workers_get_it() {
    let publisher = Publisher::new();
    // A port that nobody listens on: the companion is absent.
    let reserved = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let gate = Gate::start(address, &publisher.configuration(), 4);
    gate.wait_until("the companion is missed", || gate.fetched("status") + gate.fetched("unreachable") > 1);
    for _ in 0..20 {
        assert_eq!((gate.status("/odd"), gate.status("/even")), (403, 403));
    }
    assert_eq!(gate.stat("sallyport_policy_loaded"), Some(0));
    assert!(gate.upstream.take().is_empty());
}

#[test]
fn the_bundle_of_the_configuration_bridges_the_time_to_the_first_answer() {
    let publisher = Publisher::new();
    let companion = Scripted::start(Act::Hang);
    let mut configuration = publisher.configuration();
    configuration["bundle"] = inline(&publisher.bundle(1));
    let gate = Gate::start(companion.address(), &configuration, 2);
    assert!(gate.is_judged_by(1), "from the first request on");
    // The companion has an older one, and then a newer one.
    companion.act(Act::Serve(publisher.bundle(0)));
    gate.wait_until("what is older is refused", || gate.fetched("older") > 0);
    assert!(gate.is_judged_by(1));
    companion.act(Act::Serve(publisher.bundle(2)));
    gate.wait_for_serial(2);
}

#[test]
fn one_worker_asks_for_all_and_tells_what_runs() {
    let publisher = Publisher::new();
    let companion = Scripted::start(Act::Serve(publisher.bundle(1)));
    let gate = Gate::start(companion.address(), &publisher.configuration(), 4);
    gate.wait_for_serial(1);
    // Four workers and the main thread have a VM each.
    gate.wait_until("all of them load it", || gate.stat("sallyport_policy_loads_total") == Some(5));
    let first = companion.calls(0);
    assert_eq!(first.iter().filter(|call| call.header("if-none-match").is_none()).count(), 1, "{first:?}");
    let chapter = companion.act(Act::Serve(publisher.bundle(2)));
    gate.wait_for_serial(2);
    gate.wait_until("all of them load the next", || gate.stat("sallyport_policy_loads_total") == Some(10));
    // One that named the first may have come only now, and brought the second.
    let calls = || {
        let mut calls = companion.calls(chapter);
        calls.retain(|call| call.header("x-sallyport-serial") == Some("2"));
        calls
    };
    gate.wait_until("the next call", || !calls().is_empty());
    std::thread::sleep(Duration::from_secs(2));
    let calls = calls();
    assert_eq!(calls.len(), 1, "one long poll is under way: {calls:?}");
    let header = |name| calls[0].header(name).unwrap_or_default().to_owned();
    assert_eq!(
        [header("x-sallyport-serial"), header("x-sallyport-engine"), header("x-sallyport-format")],
        ["2".to_owned(), ENGINE.to_string(), FORMAT.to_string()]
    );
    assert_eq!((header("prefer"), header("accept-encoding")), ("wait=15".to_owned(), "gzip".to_owned()));
    assert!(calls[0].head.starts_with("get /v1/bundle http/1.1"), "{}", calls[0].head);
}

#[test]
fn what_passes_the_gate_shows_it_to_those_behind() {
    let publisher = Publisher::new();
    let companion = Scripted::start(Act::Hang);
    let mut configuration = publisher.configuration();
    configuration["bundle"] = inline(&publisher.bundle(1));
    configuration["interlock"] = "what only the gate knows".replace(' ', "-").into();
    let gate = Gate::start(companion.address(), &configuration, 1);
    let forged = |path| {
        let request = sallyport_playground::Request::new("GET", crate::gate::HOST, path);
        request.header("X-Sallyport-Interlock", "guessed").header("x-sallyport-interlock", "again")
    };
    assert_eq!(gate.send(&forged("/odd")).status, 200);
    assert_eq!(gate.send(&forged("/even")).status, 403);
    let seen = gate.upstream.take();
    let shown: Vec<_> = seen.iter().flat_map(|seen| seen.headers.get_all("x-sallyport-interlock")).collect();
    assert_eq!((seen.len(), shown), (1, vec![&b"what-only-the-gate-knows"[..]]));
}

#[test]
fn callers_are_known_by_what_there_is() {
    let publisher = Publisher::new();
    let companion = Scripted::start(Act::Hang);
    let (agent, other) =
        ("spiffe://acme.internal/ns/agents/sa/agent-0", "spiffe://acme.internal/ns/other/sa/other");
    for (source, names, status) in [
        ("firstUriSan", &[agent][..], 200),
        ("firstUriSan", &[other], 403),
        ("firstUriSan", &[], 401),
        // What is not promised there: docs/decisions/0008.
        ("firstUriSan", &[agent, other], 200),
        ("peerPrincipal", &[agent], 200),
        ("peerPrincipal", &[other], 403),
        ("peerPrincipal", &[], 401),
        ("peerPrincipal", &[agent, other], 403),
        // What goes out of a workload is the workload's, whatever else is there.
        (agent, &[], 200),
        (agent, &[other], 200),
        (other, &[agent], 403),
    ] {
        let mut configuration = publisher.configuration();
        configuration["bundle"] = inline(&publisher.bundle(1));
        configuration["identity"] = source.into();
        let gate = Gate::start(companion.address(), &configuration, 1);
        let answer =
            gate.caller_of(names).send(&sallyport_playground::Request::new("GET", crate::gate::HOST, "/odd"));
        assert_eq!(answer.unwrap().status, status, "{source} of {names:?}");
    }
}

#[test]
fn policy_that_goes_stale_soon_is_confirmed_sooner() {
    let publisher = Publisher::new();
    for (after, seconds, wait) in [(7, 18, "wait=1"), (2, 6, "wait=0")] {
        let staleness = Some(Staleness { after, then: Otherwise::Deny });
        let companion = Scripted::start(Act::Serve(
            publisher.bundle_with(1, |parts| parts.settings.staleness = staleness),
        ));
        let gate = Gate::start(companion.address(), &publisher.configuration(), 2);
        gate.wait_for_serial(1);
        gate.wait_until("all workers have it", || gate.stat("sallyport_policy_loads_total") == Some(3));
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(seconds) {
            let status = gate.status("/odd");
            assert_eq!(status, 200, "{after} s: after {:?}, and the companion is well", begun.elapsed());
            std::thread::sleep(Duration::from_millis(100));
        }
        let calls = companion.calls(0);
        let waits: Vec<_> = calls.iter().filter_map(|call| call.header("prefer")).collect();
        assert!((5..18).contains(&waits.len()) && waits.iter().all(|said| *said == wait), "{waits:?}");
    }
}

#[test]
fn policy_that_nobody_confirms_goes_stale_where_it_says_so() {
    let publisher = Publisher::new();
    let stale = |serial, then| {
        let staleness = Some(Staleness { after: 2, then });
        publisher.bundle_with(serial, |parts| parts.settings.staleness = staleness)
    };
    let companion = Scripted::start(Act::Serve(stale(1, Otherwise::Deny)));
    let gate = Gate::start(companion.address(), &publisher.configuration(), 2);
    gate.wait_for_serial(1);
    companion.act(Act::Close);
    gate.wait_until("the policy is stale", || gate.status("/odd") == 403);
    gate.wait_until("by its name", || {
        let client = gate.caller("agent-0");
        let request = sallyport_playground::Request::new("GET", crate::gate::HOST, "/odd");
        client.send(&request).unwrap().text().contains("policy.stale")
    });
    companion.act(Act::Serve(stale(3, Otherwise::Allow)));
    gate.wait_for_serial(3);
    companion.act(Act::Close);
    let before = gate.fetched("status");
    gate.wait_until("the companion is missed", || gate.fetched("status") > before + 2);
    assert!(gate.is_judged_by(3), "this one is kept, as it says");
    assert!(PATIENCE.as_secs() > 2);
}
