//! Records handed on: to a collector that is made of OpenTelemetry's own types, and into a file.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::common::until;
use super::setup::{Kind, Proxy, Setup, record, text};

on_both!(a_collector_gets_every_record, a_file_gets_every_record_and_may_be_renamed);

/// `tests/otlp/collector.py`, stopped when it is dropped.
pub(crate) struct Collector {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) port: u16,
}

impl Collector {
    /// One that fails so many times first.
    pub(crate) fn start(failures: u32) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let made = Command::new(root.join("scripts/python-env"))
            .arg(root.join("tests/otlp/requirements.txt"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        let mut command = Command::new(text(&made.stdout).trim());
        command.arg(root.join("tests/otlp/collector.py")).arg(failures.to_string());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        Self { child, lines, port }
    }

    /// The next request of a kind; others before it are passed over.
    fn request(&mut self, kind: &str) -> Value {
        loop {
            let request: Value = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
            assert!(request["refused"].is_null(), "{request}");
            if !request[kind].is_null() {
                return request;
            }
        }
    }

    /// The metrics of the next request with such, and whose they are.
    pub(crate) fn metrics(&mut self) -> (Value, Vec<Value>) {
        let request = self.request("resourceMetrics");
        let of = &request["resourceMetrics"][0];
        let metrics = of["scopeMetrics"][0]["metrics"].as_array().unwrap();
        (of["resource"].clone(), metrics.clone())
    }

    /// The log records of the next request with such, and the name of their service.
    pub(crate) fn next(&mut self) -> Vec<(Value, Value)> {
        let request = self.request("resourceLogs");
        let mut all = Vec::new();
        for resource in request["resourceLogs"].as_array().unwrap() {
            let service = &resource["resource"]["attributes"][0]["value"]["stringValue"];
            for log in resource["scopeLogs"][0]["logRecords"].as_array().unwrap() {
                all.push((service.clone(), log.clone()));
            }
        }
        all
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn attribute<'l>(log: &'l Value, key: &str) -> &'l Value {
    let all = log["attributes"].as_array().unwrap();
    all.iter().find(|one| one["key"] == key).map_or(&Value::Null, |one| &one["value"])
}

fn a_collector_gets_every_record(kind: Kind) {
    let setup = Setup::new(kind);
    let mut collector = Collector::start(2);
    let url = format!("http://127.0.0.1:{}", collector.port);
    let companion = setup.serve(&["--audit-otlp", &url]);
    let finding =
        json!([{"detector": "d", "where": "request:/x", "offset": 1, "length": 20, "action": "block"}]);
    let lines = [
        record(
            1,
            &[
                ("workload", json!("tools/api")),
                ("traceId", json!("0AF7651916CD43DD8448EB211C80319C")),
                ("status", json!(403)),
                ("verdict", json!("deny")),
                ("enforced", json!("deny")),
                ("findings", finding),
                ("operation", json!("mcp tools/call x")),
            ],
        ),
        // What is no trace id, and a time that OTLP has no room for.
        record(
            2,
            &[
                ("traceId", json!("none")),
                ("time", json!((1_u64 << 53) - 1)),
                ("requestBytes", json!((1_u64 << 53) - 1)),
            ],
        ),
    ];
    assert_eq!(Proxy::new("a").send(&companion.client(), 1, &lines.join("\n")).unwrap().status, 200);
    let logs = collector.next();
    assert_eq!(logs.len(), 2, "{logs:?}");
    let (service, log) = logs.iter().find(|(service, _)| service == "tools/api").unwrap();
    assert_eq!(service, "tools/api");
    assert_eq!(
        (&log["severityText"], &log["body"]["stringValue"]),
        (&json!("WARN"), &json!("deny mcp tools/call x"))
    );
    assert_eq!(log["timeUnixNano"], "1795341600001000000");
    assert_eq!(log["traceId"], "CvdlGRbNQ92ESOshHIAxnA==", "of 16 bytes");
    assert_eq!(attribute(log, "http.response.status_code")["intValue"], "403");
    assert_eq!(attribute(log, "sallyport.audit.seq")["intValue"], "1");
    assert_eq!(attribute(log, "sallyport.audit.proxy")["stringValue"], "node:a");
    assert_eq!(
        attribute(log, "sallyport.findings")["arrayValue"]["values"][0]["stringValue"],
        "d request:/x block"
    );

    // What comes while nobody collects is handed on later, in its order.
    drop(companion);
    let companion = setup.serve(&[]);
    let mut proxy = Proxy::new("b");
    for _ in 0..3 {
        proxy.sends(&companion.client(), 400);
    }
    drop(companion);
    let companion = setup.serve(&["--audit-otlp", &url]);
    let mut expected = 1..=1200_u64;
    while !expected.is_empty() {
        for (_, log) in collector.next() {
            // Of the other, something may come twice: that companion ended at any moment.
            if attribute(&log, "sallyport.audit.proxy")["stringValue"] == "node:b" {
                let seq = attribute(&log, "sallyport.audit.seq")["intValue"].as_str().unwrap().parse().ok();
                assert_eq!(seq, expected.next());
            }
        }
    }
    assert_eq!(companion.metric("sallyport_companion_problems{with=\"export\"}"), 0.0);
    drop(collector);
    proxy.sends(&companion.client(), 1);
    until("it is told", || {
        (companion.metric("sallyport_companion_problems{with=\"export\"}") > 0.0).then_some(())
    });
    proxy.sends(&companion.client(), 1);
}

fn a_file_gets_every_record_and_may_be_renamed(kind: Kind) {
    let setup = Setup::new(kind);
    let file = setup.project.name("records.jsonl");
    let mut companion = setup.serve(&["--audit-file", &file]);
    let mut proxy = Proxy::new("a");
    proxy.sends(&companion.client(), 3);
    let lines = |name: &str| fs::read_to_string(name).unwrap_or_default().lines().count();
    until("three", || (lines(&file) == 3).then_some(()));
    assert_eq!(fs::read_to_string(&file).unwrap(), setup.printed(&["export"]));
    fs::rename(&file, format!("{file}.1")).unwrap();
    companion.signal("KILL");
    companion.ended();
    let companion = setup.serve(&["--audit-file", &file]);
    proxy.sends(&companion.client(), 2);
    until("two more", || (lines(&file) == 2).then_some(()));
    assert_eq!(lines(&format!("{file}.1")), 3);
}
