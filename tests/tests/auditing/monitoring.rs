//! The dashboard and the alerts, as a real Prometheus that scrapes a real Envoy under load sees them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sallyport_engine::policy::Overflow;
use sallyport_playground::{Body, Request};
use serde_json::Value;

use crate::archive::{Act, Archive};
use crate::gate::{Gate, HOST, Publisher, audit};

/// What the queries here are about.
const METRICS: [&str; 2] = ["sallyport_", "envoy_wasm_sallyport_"];

/// A Prometheus that runs until it is dropped.
pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    pub fn start(target: SocketAddr, rules: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let config = serde_json::json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "envoy", "metrics_path": "/stats/prometheus",
                "static_configs": [{"targets": [target.to_string()]}],
            }],
        });
        let file = folder.path().join("prometheus.yaml");
        std::fs::write(&file, config.to_string()).unwrap();
        let program = std::env::var_os("PROMETHEUS").unwrap_or_else(|| "prometheus".into());
        let process = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("no Prometheus runs ({error}): scripts/prometheus brings one"));
        Self { process, address, _folder: folder }
    }

    /// What the API answers; nothing while it does not.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nhost: p\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// The series that a query gives.
    pub fn query(&self, query: &str) -> Vec<Value> {
        self.asked("query", query, "")
    }

    /// The same over a time, a value for each second of it.
    pub fn range(&self, query: &str, start: u64, end: u64) -> Vec<Value> {
        self.asked("query_range", query, &format!("&start={start}&end={end}&step=1"))
    }

    fn asked(&self, how: &str, query: &str, more: &str) -> Vec<Value> {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/api/v1/{how}?query={escaped}{more}")).unwrap_or_default();
        assert!(answer.is_null() || answer["status"] == "success", "{query}: {answer}");
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _ended_already = self.process.wait();
    }
}

pub fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../istio/monitoring").join(name)
}

/// The metrics that a query names, each with the labels that it asks for.
fn selectors(query: &str) -> Vec<String> {
    let mut found = Vec::new();
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, _) in query.match_indices("sallyport_") {
        let start = query[..at].rfind(|c| !name(c)).map_or(0, |before| before + 1);
        let end = query[at..].find(|c| !name(c)).map_or(query.len(), |length| at + length);
        let selector = &query[start..end];
        assert!(METRICS.iter().any(|known| selector.starts_with(known)), "{selector}");
        found.push(selector.to_owned());
    }
    found
}

#[test]
fn every_query_of_the_dashboard_and_the_alerts_finds_what_it_asks_for() {
    let publisher = Publisher::new();
    let bundle = publisher.bundle(audit(Overflow::Required, 60));
    let archive = Archive::start(bundle.clone(), Act::Keep);
    let gate = Gate::start(archive.address(), &publisher.configuration(&bundle), 2);
    let prometheus = Prometheus::start(gate.envoy.admin(), &shipped("rules.yaml"));
    gate.wait_until("it scrapes", || !prometheus.query("sallyport_policy_serial > 0").is_empty());
    let secret = r#"{"key":"AKIAQ3EGQ7YV5ZK2M4TN"}"#;
    let leak = Request::new("POST", HOST, "/docs/1")
        .header("content-type", "application/json")
        .body(Body::whole(secret));
    let load = || {
        gate.load(20);
        gate.status("/nowhere");
        gate.send(&leak);
    };
    load();
    archive.act(Act::Close);
    assert!(gate.load(200).iter().any(|(status, _)| *status == 503), "records are required");
    archive.act(Act::Keep);
    gate.wait_until("records go on", || gate.status("/docs/1") == 200);
    // Rates need two looks at a counter that is there.
    for _ in 0..4 {
        load();
        std::thread::sleep(Duration::from_millis(700));
    }
    let dashboard: Value =
        serde_json::from_slice(&std::fs::read(shipped("dashboard.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries: Vec<_> = queries.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    assert!(queries.len() > 10);
    for query in &queries {
        gate.wait_until(&format!("{query} finds something"), || !prometheus.query(query).is_empty());
    }
    // An alert is silent while all is well; what it looks at must be there all the same.
    gate.wait_until("the alerts are read", || {
        prometheus.get("/api/v1/rules").is_some_and(|rules| !rules["data"]["groups"][0].is_null())
    });
    let rules = prometheus.get("/api/v1/rules").unwrap();
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() > 5);
    for rule in &rules {
        let query = rule["query"].as_str().unwrap();
        assert_ne!(rule["health"], "err", "{rule}");
        let selectors = selectors(query);
        assert!(!selectors.is_empty(), "{query}");
        for selector in selectors {
            assert!(!prometheus.query(&selector).is_empty(), "{query}: there is no {selector}");
        }
    }
    // Two that fire here.
    for alert in ["SallyportRefusesForWantOfRecords", "SallyportRecordsDropped"] {
        let firing = format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}");
        gate.wait_until(&firing, || {
            gate.status("/docs/1");
            !prometheus.query(&firing).is_empty()
        });
    }
    // Labels are as policy has them, and there are few.
    let agents = prometheus.query("count by (agent, operation) (sallyport_requests_total)");
    assert!(
        agents
            .iter()
            .any(|series| series["metric"]["agent"] == "reader" && series["metric"]["operation"] == "http")
    );
    let found = prometheus.query("sallyport_findings_total");
    assert_eq!(found[0]["metric"]["detector"], "aws-access-key-id", "{found:?}");
}
