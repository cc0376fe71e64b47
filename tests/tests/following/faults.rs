//! Whatever a companion answers, the newest policy that was ever verified stays in force, and the next good answer is taken.

use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::bundle::{MAX_LEN, Terms, frame};

use crate::gate::{Gate, Publisher, public};
use crate::scripted::{Act, Scripted, ok};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What goes wrong, how the companion does it, and what the filter counts it as.
fn faults(publisher: &Publisher, retired: &SecretKey) -> Vec<(&'static str, Act, &'static str)> {
    let terms = |not_before, not_after, audience: Option<&str>| Terms {
        not_before,
        not_after,
        audience: audience.map(str::to_owned),
    };
    let serve = |bundle: Vec<u8>| Act::Send(ok("etag: \"x\"\r\n", &bundle));
    let signed_by = |key: &SecretKey| {
        keys::sign(&publisher.unsigned(99, &Terms::default(), |_| {}), std::slice::from_ref(key)).unwrap()
    };
    let good = publisher.bundle(99);
    let forged = {
        let mut bundle = good.clone();
        let last = bundle.len() - 1;
        bundle[last] ^= 1;
        bundle
    };
    let newer_format = {
        let mut bundle = good.clone();
        bundle[8] = 99;
        bundle
    };
    let error = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}").into_bytes();
    let cut = |length: usize| serve(good[..length].to_vec());
    let torn = {
        let whole = ok("", &good);
        whole[..whole.len() - 100].to_vec()
    };
    let future = publisher.bundle_under(99, &terms(4_000_000_000, u64::MAX, None));
    let expired = publisher.bundle_under(99, &terms(0, 1_700_000_000, None));
    let foreign = publisher.bundle_under(99, &terms(0, u64::MAX, Some("other")));
    let nonsense =
        keys::sign(&frame(&[7; 64], 99, &Terms::default()).unwrap(), std::slice::from_ref(&publisher.key));
    vec![
        ("500", Act::Send(error("500 Internal Server Error")), "status"),
        ("404", Act::Send(error("404 Not Found")), "status"),
        ("a redirection", Act::Send(error("302 Found")), "status"),
        ("HTML", Act::Send(ok("content-type: text/html\r\n", b"<html>welcome</html>")), "damaged"),
        ("nothing", Act::Send(ok("", b"")), "damaged"),
        ("a bundle cut short", cut(good.len() / 2), "damaged"),
        ("a bundle without its signature", cut(good.len() - 72), "unsigned"),
        ("a body cut short", Act::Send(torn), "unreachable"),
        ("a closed connection", Act::Close, "status"),
        ("garbage", Act::Send(b"\x16\x03\x01 garbage\r\n\r\n".to_vec()), "status"),
        ("more than 32 MiB", Act::Send(ok("", &vec![0; MAX_LEN + 1])), "unreachable"),
        ("a gzip bomb", Act::Send(ok("content-encoding: gzip\r\n", &gzip(&vec![0; 64 << 20]))), "encoding"),
        ("gzip that is none", Act::Send(ok("content-encoding: gzip\r\n", &good)), "encoding"),
        ("an unknown coding", Act::Send(ok("content-encoding: br\r\n", &good)), "encoding"),
        ("a forged signature", serve(forged), "signature"),
        ("an unknown key", serve(signed_by(&SecretKey::generate().unwrap())), "unknown_key"),
        ("a retired key", serve(signed_by(retired)), "retired_key"),
        ("a foreign audience", serve(foreign), "audience"),
        ("a newer format", serve(newer_format), "format"),
        ("an expired bundle", serve(expired), "expired"),
        ("a bundle of the future, or a clock that is late", serve(future), "not_yet"),
        ("a signed bundle that is no policy", serve(nonsense.unwrap()), "damaged"),
    ]
}

/// Faults that only the serial in force makes ones.
fn faults_of_serials(publisher: &Publisher, newest: u64) -> [(&'static str, Act, &'static str); 2] {
    let other = publisher.bundle_with(newest, |parts| parts.limits.max_body_bytes -= 1);
    [
        ("an older serial", Act::Send(ok("", &publisher.bundle(newest - 1))), "older"),
        ("a serial that is used", Act::Send(ok("", &other)), "reused"),
    ]
}

#[test]
fn whatever_goes_wrong_the_newest_good_policy_stays_and_the_next_is_taken() {
    let publisher = Publisher::new();
    let retired = SecretKey::generate().unwrap();
    let companion = Scripted::start(Act::Serve(publisher.bundle(3)));
    let mut configuration = publisher.configuration();
    configuration["retiredKeys"] = vec![public(&retired)].into();
    configuration["audience"] = "tools/tool-api".into();
    let gate = Gate::start(companion.address(), &configuration, 2);
    // Two workers and the main thread have a VM each; what one enforces, the others may not yet.
    let everywhere = |published: u64| {
        gate.wait_until("all VMs have it", || {
            gate.stat("sallyport_policy_loads_total") == Some(3 * published)
        });
    };
    gate.wait_for_serial(3);
    everywhere(1);
    // What is newest after a fault, and the good answer that follows it.
    let suffer = |newest: u64, (what, act, counted): (&str, Act, &str)| {
        let before = gate.fetched(counted);
        companion.act(act);
        gate.wait_until(what, || gate.fetched(counted) > before);
        assert!(gate.is_judged_by(newest), "{what}: the policy is not the one before");
        let next = newest + 1;
        companion.act(Act::Serve(publisher.bundle(next)));
        gate.wait_for_serial(next);
        everywhere(next - 2);
        next
    };
    let newest = faults(&publisher, &retired).into_iter().fold(3, suffer);
    let [older, _] = faults_of_serials(&publisher, newest);
    let newest = suffer(newest, older);
    let [_, used] = faults_of_serials(&publisher, newest);
    suffer(newest, used);
    let log: Vec<_> =
        gate.envoy.log().into_iter().filter(|line| line.message.contains("its companion")).collect();
    assert!(!log.is_empty(), "the log says what goes wrong");
    let panicked = gate.envoy.log().iter().any(|line| line.message.contains("panicked"));
    assert!(!panicked, "the module never panics");
}

#[test]
fn a_companion_that_hangs_or_drips_is_given_up() {
    let publisher = Publisher::new();
    let companion = Scripted::start(Act::Hang);
    let gate = Gate::start(companion.address(), &publisher.configuration(), 1);
    assert_eq!(gate.status("/odd"), 403, "nothing was ever verified");
    gate.wait_until("a call that hangs is given up", || {
        gate.fetched("status") + gate.fetched("unreachable") > 0
    });
    let calls = companion.calls(0).len();
    assert!((1..=2).contains(&calls), "{calls} calls before the first was given up");
    let before = gate.fetched("status") + gate.fetched("unreachable");
    // At this pace the head alone would take a quarter of an hour.
    companion.act(Act::Drip(ok("", &publisher.bundle(1)), Duration::from_secs(10)));
    gate.wait_until("a call that drips is given up", || {
        gate.fetched("status") + gate.fetched("unreachable") > before
    });
    assert_eq!(gate.status("/odd"), 403);
    companion.act(Act::Serve(publisher.bundle(1)));
    gate.wait_for_serial(1);
}
