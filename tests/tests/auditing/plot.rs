//! The figures of the picture in docs/records.md: what a real Prometheus saw of a real Envoy under load, while the companion that takes
//! its records was away for a while. `scripts/plot` runs this and draws them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sallyport_playground::{Body, Request};
use serde_json::{Value, json};

use crate::gate::{AGENT, Gate, HOST};
use crate::kept::{COMPANION, GATE, Home};
use crate::monitoring::{Prometheus, shipped};

/// When, in seconds since the load began, the companion goes, and when it is there again; and when the load ends.
const GOES: u64 = 40;
const BACK: u64 = 65;
const ENDS: u64 = 100;
/// How long one of the callers waits between requests.
const PAUSE: Duration = Duration::from_millis(33);
/// How many callers there are.
const CALLERS: usize = 4;

/// What is drawn, by its name.
const QUERIES: [(&str, &str); 6] = [
    ("verdicts", "sum by (verdict, reason) (rate(sallyport_requests_total[5s]))"),
    ("p50", "histogram_quantile(0.5, sum by (le) (rate(sallyport_decision_microseconds_bucket[5s])))"),
    ("p99", "histogram_quantile(0.99, sum by (le) (rate(sallyport_decision_microseconds_bucket[5s])))"),
    ("queued", "max(sallyport_audit_queued)"),
    ("dropped", "max(sallyport_audit_dropped)"),
    ("calls", "sum by (result) (rate(sallyport_audit_calls_total[5s]))"),
];

#[test]
#[ignore = "it takes two minutes: scripts/plot runs it"]
fn what_prometheus_sees_while_the_companion_is_away() {
    let home = Home::new(None);
    let companion = home.serve("127.0.0.1:0", GATE);
    let address = companion.address();
    let gate = home.gate(address, &home.ca, COMPANION);
    let prometheus = Prometheus::start(gate.envoy.admin(), &shipped("rules.yaml"));
    gate.load(8);
    gate.wait_until("it scrapes", || !prometheus.query("sallyport_requests_total").is_empty());
    let (over, began, since) = (AtomicBool::new(false), Instant::now(), now());
    let until = |second: u64| thread::sleep(Duration::from_secs(second).saturating_sub(began.elapsed()));
    let asked = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| keep_asking(&gate, &over))).collect();
        until(GOES);
        drop(companion);
        until(BACK);
        let _companion = home.serve(&address.to_string(), GATE);
        until(ENDS);
        over.store(true, Ordering::Relaxed);
        let asked = callers.into_iter().map(|caller| caller.join().unwrap()).sum::<usize>() + 8;
        gate.wait_until("all are in the store", || home.records().len() >= asked);
        asked
    });
    home.holds(asked);
    let series = QUERIES.map(|(name, query)| {
        let found = prometheus.range(query, since, since + ENDS);
        assert!(!found.is_empty(), "{query} finds nothing");
        (name.to_owned(), found.into())
    });
    let mut figures: serde_json::Map<String, Value> = series.into_iter().collect();
    for (name, value) in [("begins", since), ("goes", GOES), ("back", BACK), ("ends", ENDS)] {
        figures.insert(name.to_owned(), value.into());
    }
    figures.insert("requests".to_owned(), json!(asked));
    let path = std::env::var_os("SALLYPORT_PLOT").expect("SALLYPORT_PLOT names the file for the figures");
    std::fs::write(path, Value::from(figures).to_string()).unwrap();
}

/// Asks until it is over, mostly for what is allowed. How many requests there were.
fn keep_asking(gate: &Gate, over: &AtomicBool) -> usize {
    let client = gate.caller(AGENT);
    let secret = ["{\"key\":\"AK", "IAQ3EGQ7YV5ZK2M4TN\"}"].concat();
    let leak = Request::new("POST", HOST, "/docs/1")
        .header("content-type", "application/json")
        .body(Body::whole(secret));
    let tool = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "drop_table", "arguments": {}}});
    let tool = Request::new("POST", HOST, "/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(Body::whole(tool.to_string()));
    let mut asked = 0;
    while !over.load(Ordering::Relaxed) {
        let request = match asked % 10 {
            3 => leak.clone(),
            6 => tool.clone(),
            9 => Request::new("GET", HOST, "/admin"),
            _ => Request::new("GET", HOST, "/docs/1"),
        };
        client.send(&request).unwrap();
        asked += 1;
        thread::sleep(PAUSE);
    }
    asked
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
