//! What the companion counts of records: for Prometheus, for collectors, and once where several companions share a store.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::common::until;
use super::handing_on::{Collector, attribute};
use super::setup::{Kind, Proxy, Setup, record};

on_both!(what_is_counted_is_what_was_stored);

/// The points of a metric.
fn points<'m>(metrics: &'m [Value], name: &str) -> &'m [Value] {
    let found = metrics.iter().find(|metric| metric["name"] == name).unwrap();
    let kind = ["sum", "gauge", "histogram"].iter().find(|kind| !found[**kind].is_null()).unwrap();
    found[*kind]["dataPoints"].as_array().unwrap()
}

/// The number of a point without attributes; nothing where the metric is not there yet.
fn number(metrics: &[Value], name: &str) -> Option<u64> {
    metrics
        .iter()
        .any(|metric| metric["name"] == name)
        .then(|| points(metrics, name)[0]["asInt"].as_str().unwrap().parse().unwrap())
}

/// Four records of a proxy that lacks two numbers, then the first of them once more, and one body that is refused.
fn send(setup_client: &super::http::Client) {
    let proxy = Proxy { dropped: 3, ..Proxy::new("a") };
    let denied = [("verdict", json!("deny")), ("reason", json!("scope.tool"))];
    let lines = [record(1, &[]), record(2, &denied), record(5, &denied), record(6, &[])];
    assert_eq!(proxy.send(setup_client, 1, &lines.join("\n")).unwrap().status, 200);
    assert_eq!(proxy.send(setup_client, 1, &lines[0]).unwrap().status, 200);
    assert_eq!(proxy.send(setup_client, 1, "{}").unwrap().status, 400);
}

/// That metrics say what [`send`] sent.
fn counted(metrics: &[Value]) {
    let mut by: Vec<_> = points(metrics, "sallyport.audit.records")
        .iter()
        .map(|point| {
            let label = |key: &str| attribute(point, key)["stringValue"].as_str().unwrap().to_owned();
            (label("sallyport.verdict"), label("sallyport.reason"), point["asInt"].as_str().unwrap())
        })
        .collect();
    by.sort_unstable();
    let expected = [("allow", "allowed", "2"), ("deny", "scope.tool", "2")];
    assert_eq!(by, expected.map(|(verdict, reason, count)| (verdict.into(), reason.into(), count)));
    for (name, value) in [("batches", 2), ("repeated", 1), ("refused", 1), ("retired", 0)] {
        assert_eq!(number(metrics, &format!("sallyport.audit.{name}")), Some(value), "{name}");
    }
    let commits = &points(metrics, "sallyport.audit.commit.duration")[0];
    let buckets = commits["bucketCounts"].as_array().unwrap();
    let all: u64 = buckets.iter().map(|count| count.as_str().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(buckets.len(), commits["explicitBounds"].as_array().unwrap().len() + 1);
    assert!(all == 2 && commits["count"] == "2" && commits["sum"].as_f64().unwrap() > 0.0, "{commits}");
}

fn what_is_counted_is_what_was_stored(kind: Kind) {
    let setup = Setup::new(kind);
    let mut collector = Collector::start(1);
    let url = format!("http://127.0.0.1:{}", collector.port);
    let companion = setup.serve(&["--audit-otlp", &url]);
    send(&companion.client());
    let (resource, metrics) = loop {
        let (resource, metrics) = collector.metrics();
        if number(&metrics, "sallyport.audit.missing") == Some(2) {
            break (resource, metrics);
        }
    };
    assert_eq!(attribute(&resource, "service.name")["stringValue"], "sallyport-companion");
    assert_eq!(attribute(&resource, "service.instance.id")["stringValue"].as_str().unwrap().len(), 32);
    counted(&metrics);
    assert_eq!(number(&metrics, "sallyport.audit.dropped"), Some(3));
    assert_eq!(number(&metrics, "sallyport.audit.proxies"), Some(1));
    let metric = |name: &str| companion.metric(&format!("sallyport_companion_{name}"));
    assert_eq!(metric("audit_decisions_total{verdict=\"deny\",reason=\"scope.tool\"}"), 2.0);
    assert_eq!(metric("audit_commit_seconds_count"), 2.0);
    assert_eq!(metric("audit_commit_seconds_bucket{le=\"+Inf\"}"), 2.0);
    for (name, value) in [("batches_total", 2.0), ("missing", 2.0), ("dropped", 3.0), ("proxies", 1.0)] {
        assert_eq!(metric(&format!("audit_{name}")), value, "{name}");
    }
    // A collector that is away shows, though nothing is left to hand on but metrics.
    drop(collector);
    until("it is told", || (metric("problems{with=\"export\"}") > 0.0).then_some(()));
}

#[test]
fn of_several_companions_one_hands_on_and_another_takes_over() {
    let setup = Setup::new(Kind::Postgres);
    let mut collector = Collector::start(0);
    let url = format!("http://127.0.0.1:{}", collector.port);
    let mut companions = [0, 1].map(|_| setup.serve(&["--audit-otlp", &url]));
    let mut proxy = Proxy::new("a");
    let mut heard = Vec::new();
    let mut hear = |until: usize, heard: &mut Vec<u64>| {
        while heard.len() < until {
            for (_, log) in collector.next() {
                let seq = attribute(&log, "sallyport.audit.seq")["intValue"].as_str().unwrap();
                heard.push(seq.parse().unwrap());
            }
        }
    };
    for (round, companion) in [0, 1, 0, 1].into_iter().enumerate() {
        proxy.sends(&companions[companion].client(), 300);
        hear((round + 1) * 300, &mut heard);
    }
    assert_eq!(heard, (1..=1200).collect::<Vec<_>>(), "each once, in order");
    // Whichever had the turn: the other goes on.
    let second = companions[1].client();
    companions[0].signal("KILL");
    companions[0].ended();
    proxy.sends(&second, 300);
    hear(1500, &mut heard);
    assert_eq!(heard.last(), Some(&1500));
}

/// The real Collector, stopped when it is dropped.
struct Real(Child);

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real Collector that passes on what it takes; where it takes it. Nothing where it cannot be had: it is built with Go.
fn real(folder: &Path, to: u16) -> Option<(Real, u16)> {
    let program = std::env::var_os("OTEL_COLLECTOR").or_else(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/go-tool");
        Command::new("go").arg("version").output().ok()?;
        let built = Command::new(script).arg("otel-collector").stderr(Stdio::inherit()).output().unwrap();
        assert!(built.status.success());
        Some(String::from_utf8(built.stdout).unwrap().trim().into())
    })?;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let pipeline = json!({"receivers": ["otlp"], "exporters": ["otlphttp"]});
    let config = json!({
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": format!("127.0.0.1:{port}")}}}},
        "exporters": {"otlphttp": {
            "endpoint": format!("http://127.0.0.1:{to}"), "encoding": "json", "compression": "none",
        }},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"logs": pipeline, "metrics": pipeline},
        },
    });
    // JSON is YAML.
    let file = folder.join("collector.yaml");
    fs::write(&file, config.to_string()).unwrap();
    let log = fs::File::create(folder.join("collector.log")).unwrap();
    let child = Command::new(program).arg("--config").arg(file).stderr(log).spawn().unwrap();
    let mut real = Real(child);
    until("the collector listens", || {
        let said = || fs::read_to_string(folder.join("collector.log"));
        assert!(real.0.try_wait().unwrap().is_none(), "the collector has ended: {:?}", said());
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    Some((real, port))
}

#[test]
fn the_real_collector_understands_everything() {
    let setup = Setup::new(Kind::Sqlite);
    let mut collector = Collector::start(0);
    let Some((_real, port)) = real(setup.project.folder.path(), collector.port) else {
        eprintln!("NOT CHECKED: there is no Go to build the OpenTelemetry Collector with");
        return;
    };
    let url = format!("http://127.0.0.1:{port}");
    let companion = setup.serve(&["--audit-otlp", &url]);
    send(&companion.client());
    let trace = [("traceId", json!("0af7651916cd43dd8448eb211c80319c")), ("status", json!(200))];
    let traced = Proxy::new("b").send(&companion.client(), 1, &record(1, &trace)).unwrap();
    assert_eq!(traced.status, 200);
    let mut logs = Vec::new();
    while logs.len() < 5 {
        logs.extend(collector.next().into_iter().map(|(_, log)| log));
    }
    let of = |proxy: &str| {
        let name = format!("node:{proxy}");
        logs.iter()
            .filter(|log| attribute(log, "sallyport.audit.proxy")["stringValue"] == name.as_str())
            .count()
    };
    assert_eq!((logs.len(), of("a"), of("b")), (5, 4, 1));
    let traced = logs.iter().find(|log| !log["traceId"].is_null() && log["traceId"] != "").unwrap();
    assert_eq!(traced["traceId"], "CvdlGRbNQ92ESOshHIAxnA==");
    assert_eq!(attribute(traced, "http.response.status_code")["intValue"], "200");
    let metrics = loop {
        let (_, metrics) = collector.metrics();
        if number(&metrics, "sallyport.audit.missing") == Some(2) {
            break metrics;
        }
    };
    assert_eq!(number(&metrics, "sallyport.audit.batches"), Some(3));
    assert_eq!(points(&metrics, "sallyport.audit.records").len(), 2);
    let records = metrics.iter().find(|metric| metric["name"] == "sallyport.audit.records").unwrap();
    assert_eq!(records["sum"]["isMonotonic"], true);
    assert_eq!(records["sum"]["aggregationTemporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
    assert_eq!(companion.metric("sallyport_companion_problems{with=\"export\"}"), 0.0);
}
