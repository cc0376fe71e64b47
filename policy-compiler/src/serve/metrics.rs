//! What monitoring sees, in Prometheus' text format: few series. The only labels that come from outside are reasons of records, whose
//! form and number [`Tally`] bounds.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fleet::Counts;
use super::problem::Problem;
use crate::audit::{BOUNDS, Recorded, Tally};

/// The statuses that requests for bundles are answered with; others are counted together.
const STATUSES: [u16; 8] = [200, 304, 400, 403, 404, 409, 500, 503];
/// What can be wrong.
const PROBLEMS: [&str; 6] = ["audit", "export", "policy", "registry", "state", "tls"];

/// A number that only rises, or one that goes up and down.
#[derive(Debug, Default)]
pub(super) struct Number(AtomicU64);

/// Everything that is counted.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    published: Number,
    unchanged: Number,
    failed: Number,
    published_at: Number,
    build_us: Number,
    answers: [Number; STATUSES.len() + 1],
    pub(super) sent_bytes: Number,
    pub(super) waiting: Number,
    pub(super) connections: Number,
    pub(super) refused_connections: Number,
    pub(super) cut_connections: Number,
    pub(super) handshakes_failed: Number,
    pub(super) certificates_loaded: Number,
    /// What is counted of records.
    pub(super) audit: Arc<Tally>,
}

impl Number {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, less: usize) {
        self.0.fetch_sub(less as u64, Ordering::Relaxed);
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    pub(super) fn published(&self) {
        self.published.add(1);
        self.published_at
            .set(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
    }

    pub(super) fn unchanged(&self) {
        self.unchanged.add(1);
    }

    pub(super) fn failed(&self) {
        self.failed.add(1);
    }

    /// How long it took to make the last publication.
    pub(super) fn built(&self, took: Duration) {
        self.build_us.set(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts an answer to a request for a bundle.
    pub(super) fn answered(&self, status: u16) {
        let at = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        if let Some(number) = self.answers.get(at) {
            number.add(1);
        }
    }

    /// The page.
    pub(super) fn text(&self, serial: Option<u64>, fleet: Counts, problems: &[(&str, Problem)]) -> String {
        let mut page = Page::default();
        page.one(
            "bundle_serial",
            "gauge",
            "The serial of what is published; 0 for nothing.",
            serial.unwrap_or(0),
        );
        page.one(
            "published_timestamp_seconds",
            "gauge",
            "When something was last published by this process.",
            self.published_at.get(),
        );
        page.many(
            "publications_total",
            "counter",
            "What became of looks at the source.",
            "result",
            &[
                ("published", self.published.get()),
                ("unchanged", self.unchanged.get()),
                ("failed", self.failed.get()),
            ],
        );
        let wrong = PROBLEMS.map(|kind| {
            let found = problems.iter().find(|(known, _)| *known == kind);
            (kind, found.map_or(0, |(_, problem)| problem.count() as u64))
        });
        page.many(
            "problems",
            "gauge",
            "How much is wrong now: with the audit store, what it hands on, the last edit, the registry, the state folder, or the certificate.",
            "with",
            &wrong,
        );
        page.seconds("build_seconds", "How long the last build took, cases included.", self.build_us.get());
        let names: Vec<_> = STATUSES.iter().map(ToString::to_string).chain(["other".to_owned()]).collect();
        let answers: Vec<_> =
            names.iter().map(String::as_str).zip(self.answers.iter().map(Number::get)).collect();
        page.many("bundle_requests_total", "counter", "Answers to requests for bundles.", "code", &answers);
        page.one("sent_bytes_total", "counter", "Bytes of bundles that were sent.", self.sent_bytes.get());
        page.one("waiting", "gauge", "Requests that wait for a change.", self.waiting.get());
        page.one("connections", "gauge", "Open connections.", self.connections.get());
        page.many(
            "connections_ended_total",
            "counter",
            "Connections that were not let in, or cut.",
            "why",
            &[
                ("limit", self.refused_connections.get()),
                ("timeout", self.cut_connections.get()),
                ("tls", self.handshakes_failed.get()),
            ],
        );
        page.one(
            "certificates_loaded_total",
            "counter",
            "How often the server's certificate was read anew.",
            self.certificates_loaded.get(),
        );
        page.records(&self.audit.counts());
        page.many(
            "fleet_nodes",
            "gauge",
            "Nodes that asked in the last five minutes, by what they enforce.",
            "serial",
            &[
                ("current", fleet.current as u64),
                ("behind", fleet.behind as u64),
                ("ahead", fleet.ahead as u64),
                ("none", fleet.none as u64),
                ("unheard", fleet.unheard as u64),
            ],
        );
        page.one(
            "fleet_refusing",
            "gauge",
            "Nodes that refused the last bundle that they were sent.",
            fleet.refusing as u64,
        );
        page.0
    }
}

/// A page in the making.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(
            self.0,
            "# HELP sallyport_companion_{name} {help}\n# TYPE sallyport_companion_{name} {kind}"
        );
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        let _ = writeln!(self.0, "sallyport_companion_{name} {value}");
    }

    fn seconds(&mut self, name: &str, help: &str, micros: u64) {
        self.head(name, "gauge", help);
        let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
        let _ = writeln!(self.0, "sallyport_companion_{name} {whole}.{rest:06}");
    }

    /// What is counted of records.
    fn records(&mut self, counts: &Recorded) {
        let what = [("stored", counts.stored), ("repeated", counts.repeated), ("retired", counts.retired)];
        let help = "Records that were stored, that had been before, and that were retired.";
        self.many("audit_records_total", "counter", help, "what", &what);
        self.head("audit_decisions_total", "counter", "Records that were stored, by what they say.");
        for ((verdict, reason), count) in &counts.decided {
            let verdict = verdict.as_str();
            let labels = format!("{{verdict=\"{verdict}\",reason=\"{reason}\"}}");
            let _ = writeln!(self.0, "sallyport_companion_audit_decisions_total{labels} {count}");
        }
        self.one(
            "audit_batches_total",
            "counter",
            "Bodies of records that were acknowledged.",
            counts.batches,
        );
        let help = "Requests with records that were not acknowledged.";
        self.one("audit_refused_total", "counter", help, counts.refused);
        if let Some(totals) = counts.totals {
            self.one("audit_proxies", "gauge", "Proxies that the store has records of.", totals.proxies);
            self.one("audit_missing", "gauge", "Numbers of records that never came.", totals.missing);
            self.one("audit_dropped", "gauge", "Records that proxies say they dropped.", totals.dropped);
        }
        self.head("audit_commit_seconds", "histogram", "How long it took to make records durable.");
        let (mut below, commits) = (0, &counts.commits);
        for (bound, count) in BOUNDS.iter().zip(commits.buckets) {
            below += count;
            let seconds = *bound as f64 / 1e6;
            let _ = writeln!(
                self.0,
                "sallyport_companion_audit_commit_seconds_bucket{{le=\"{seconds}\"}} {below}"
            );
        }
        let (all, seconds) = (commits.count(), commits.seconds());
        let _ = writeln!(
            self.0,
            "sallyport_companion_audit_commit_seconds_bucket{{le=\"+Inf\"}} {all}\n\
             sallyport_companion_audit_commit_seconds_sum {seconds}\n\
             sallyport_companion_audit_commit_seconds_count {all}"
        );
    }

    fn many(&mut self, name: &str, kind: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.head(name, kind, help);
        for (of, value) in values {
            let _ = writeln!(self.0, "sallyport_companion_{name}{{{label}=\"{of}\"}} {value}");
        }
    }
}
