//! Policy changes under load: every answer is by exactly one policy, old until new after, and none is lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sallyport_playground::Request;

use crate::gate::{Gate, HOST, Publisher};
use crate::scripted::{Act, Scripted};

const CALLERS: usize = 4;
const PUBLISHES: u64 = 100;
/// Between two publishes; workers look every 200 ms, so many are passed over by some.
const PAUSE: Duration = Duration::from_millis(80);

/// What a caller was answered.
struct Answered {
    path: &'static str,
    status: u16,
}

#[test]
fn a_hundred_publishes_under_load_leave_no_answer_in_doubt() {
    let publisher = Publisher::new();
    let companion = Scripted::start(Act::Serve(publisher.bundle(1)));
    let gate = Gate::start(companion.address(), &publisher.configuration(), 4);
    gate.wait_for_serial(1);
    gate.wait_until("all workers have it", || gate.stat("sallyport_policy_loads_total") == Some(5));
    while gate.envoy.next_record(Duration::from_millis(100)).is_some() {}
    let over = AtomicBool::new(false);
    let (answers, records) = thread::scope(|scope| {
        let callers: Vec<_> = (1..=CALLERS)
            .map(|n| {
                scope.spawn({
                    let (gate, over) = (&gate, &over);
                    move || call(gate, n, over)
                })
            })
            .collect();
        let reader = scope.spawn(|| read(&gate, &over));
        for serial in 2..=PUBLISHES + 1 {
            companion.act(Act::Serve(publisher.bundle(serial)));
            thread::sleep(PAUSE);
        }
        gate.wait_for_serial(PUBLISHES + 1);
        thread::sleep(Duration::from_millis(500));
        over.store(true, Ordering::Relaxed);
        let answers: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        (answers, reader.join().unwrap())
    });
    let mut seen = BTreeMap::<u64, usize>::new();
    for (caller, answers) in (1..).zip(&answers) {
        let id = format!("spiffe://acme.internal/ns/agents/sa/agent-{caller}");
        let records = records.get(&id).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(
            records.len(),
            answers.len(),
            "agent-{caller}: an answer without a record, or the other way"
        );
        let mut last = 0;
        for (answer, record) in answers.iter().zip(records) {
            let serial = record["serial"].as_u64().unwrap();
            let open = if serial % 2 == 1 { "/odd" } else { "/even" };
            assert_eq!(answer.status, if answer.path == open { 200 } else { 403 }, "{record}");
            assert_eq!(record["status"], answer.status, "{record}");
            assert!((1..=PUBLISHES + 1).contains(&serial), "{record}");
            // A connection stays with its worker, and a worker never goes back.
            assert!(serial >= last, "serial {serial} after {last}");
            last = serial;
            *seen.entry(serial).or_default() += 1;
        }
        assert_eq!(last, PUBLISHES + 1, "agent-{caller} ended under the newest");
    }
    assert!(seen.len() > 20, "too few of the policies were seen to say anything: {seen:?}");
}

/// Asks for one path and the other on one connection until it is over.
fn call(gate: &Gate, caller: usize, over: &AtomicBool) -> Vec<Answered> {
    let client = gate.caller(&format!("agent-{caller}"));
    let mut connection = client.connect().unwrap();
    let mut answers = Vec::new();
    while !over.load(Ordering::Relaxed) {
        for path in ["/odd", "/even"] {
            let status = connection.send(&Request::new("GET", HOST, path)).unwrap().status;
            answers.push(Answered { path, status });
        }
        thread::sleep(Duration::from_millis(4));
    }
    answers
}

/// Reads the records of all callers until it is over, and those that are left.
fn read(gate: &Gate, over: &AtomicBool) -> BTreeMap<String, Vec<serde_json::Value>> {
    let mut records = BTreeMap::<String, Vec<serde_json::Value>>::new();
    let mut end = None;
    while end.is_none_or(|end: Instant| end.elapsed() < Duration::from_secs(2)) {
        if over.load(Ordering::Relaxed) && end.is_none() {
            end = Some(Instant::now());
        }
        if let Some(record) = gate.envoy.next_record(Duration::from_millis(100)) {
            let record: serde_json::Value = serde_json::from_str(&record).unwrap();
            let caller = record["caller"].as_str().unwrap_or_default().to_owned();
            records.entry(caller).or_default().push(record);
        }
    }
    records
}
