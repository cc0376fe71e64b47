//! Records on their way out: one log line, filter state for access logs, and metrics.

use crate::config::ConfigError;
use crate::host::{self, Level, MetricId, MetricType};
use sallyport_engine::policy::{Audit, LogLevel};
use sallyport_engine::{Record, Verdict};
use std::cell::RefCell;

/// The property that carries the record: `%FILTER_STATE(wasm.sallyport:PLAIN)%` in an access log.
const RECORD_PROPERTY: &str = "sallyport";
/// How many counters of one kind a VM makes at most; what goes beyond is counted without the agent's name. A proxy never forgets one.
const MOST_COUNTERS: usize = 1000;
/// What stands for an agent in a counter where there is none, or no room for its name.
const NO_AGENT: &str = "none";
const OTHER_AGENTS: &str = "others";
/// Whether every worker has a policy.
const LOADED: &str = "sallyport_policy_loaded";
/// Which one; of several, the oldest.
const SERIAL: &str = "sallyport_policy_serial";
const CONFIG_ERROR: &str = "sallyport_config_error";

/// The metrics that were used so far, by a number made of their names.
#[derive(Debug, Default)]
pub(crate) struct Telemetry(RefCell<Vec<(u64, MetricId)>>);

impl Telemetry {
    /// Tells what became of an exchange.
    pub(crate) fn record(&self, record: &Record, json: &str, audit: &Audit) {
        // An access log without the record is worse than none, but not worth a request.
        let _ = host::set_property(RECORD_PROPERTY, json);
        let refused = matches!(record.verdict(), Verdict::Deny | Verdict::Hold);
        match if refused { audit.refused } else { audit.passed } {
            LogLevel::Off => {}
            LogLevel::Debug => host::log(Level::Debug, json),
            LogLevel::Info => host::log(Level::Info, json),
            LogLevel::Warn => host::log(Level::Warn, json),
        }
        self.count(record);
    }

    fn count(&self, record: &Record) {
        let reason = record.reason();
        let labels = |agent| {
            [
                ("verdict", record.verdict().as_str()),
                ("reason", &*reason),
                ("agent", agent),
                ("operation", record.protocol.unwrap_or("none")),
            ]
        };
        let requests = "sallyport_requests_total";
        let agent = record.agent.as_deref().unwrap_or(NO_AGENT);
        if !self.increment(requests, &labels(agent)) {
            add(&tagged(&labels(OTHER_AGENTS), requests));
        }
        for finding in record.findings.iter() {
            let labels = [("detector", finding.detector.as_str()), ("action", finding.action.as_str())];
            self.increment("sallyport_findings_total", &labels);
        }
        if let (Some(micros), Some(metric)) = (
            record.driven.decision_micros,
            self.metric(MetricType::Histogram, "sallyport_decision_microseconds", &[]),
        ) {
            let _ = host::record(metric, micros);
        }
    }

    /// Counts one more; `false` if there are too many counters to make another.
    fn increment(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        let metric = self.metric(MetricType::Counter, name, labels);
        metric.is_some_and(|metric| host::increment(metric).is_ok())
    }

    /// A metric that is kept at hand, made if it is new and there is room.
    fn metric(&self, kind: MetricType, name: &str, labels: &[(&str, &str)]) -> Option<MetricId> {
        let mut known = self.0.try_borrow_mut().ok()?;
        let key = labels.iter().fold(hash(0xcbf2_9ce4_8422_2325, name), |key, (_, value)| hash(key, value));
        match known.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(at) => known.get(at).map(|(_, metric)| *metric),
            Err(_) if known.len() >= MOST_COUNTERS => None,
            Err(at) => {
                let metric = host::define_metric(kind, &tagged(labels, name)).ok()?;
                known.insert(at, (key, metric));
                Some(metric)
            }
        }
    }

    /// Tells that the configuration could be read, and whether there is a policy to begin with. What an earlier configuration was
    /// reproached with is mended.
    pub(crate) fn configured(&self, loaded: bool) {
        self.gauge(LOADED, &[], u64::from(loaded));
        for code in ConfigError::CODES {
            self.gauge(CONFIG_ERROR, &[("reason", code)], 0);
        }
    }

    /// Tells that a policy is in force.
    pub(crate) fn enforced(&self, serial: u64) {
        self.gauge(LOADED, &[], 1);
        self.gauge(SERIAL, &[], serial);
        self.gauge("sallyport_policy_since_seconds", &[], host::unix_seconds().unwrap_or(0));
        add("sallyport_policy_loads_total");
    }

    /// Tells that this worker lacks what others have, with each tick: theirs may be what was told last, and metrics are the proxy's.
    pub(crate) fn lags(&self, serial: Option<u64>) {
        match serial {
            None => self.gauge(LOADED, &[], 0),
            Some(serial) => self.gauge(SERIAL, &[], serial),
        }
    }

    /// Tells when the companion last confirmed the policy, in seconds since 1970.
    pub(crate) fn confirmed(&self, at: u64) {
        self.gauge("sallyport_policy_confirmed_seconds", &[], at);
    }

    /// Tells what came of a call for a bundle.
    pub(crate) fn fetched(&self, result: &str) {
        add(&tagged(&[("result", result)], "sallyport_fetches_total"));
    }

    /// Tells what came of a call with records.
    pub(crate) fn sent(&self, result: &str) {
        add(&tagged(&[("result", result)], "sallyport_audit_calls_total"));
    }

    /// Tells how many records wait for the companion, and how many were dropped since the proxy began.
    pub(crate) fn queued(&self, records: u64, dropped: u64) {
        self.gauge("sallyport_audit_queued", &[], records);
        self.gauge("sallyport_audit_dropped", &[], dropped);
    }

    /// Tells that there is no policy, and why.
    pub(crate) fn misconfigured(&self, code: &str) {
        self.gauge(LOADED, &[], 0);
        self.gauge(CONFIG_ERROR, &[("reason", code)], 1);
    }

    /// Sets a gauge. It is kept at hand, as the host keeps every definition for ever.
    fn gauge(&self, name: &str, labels: &[(&str, &str)], value: u64) {
        if let Some(metric) = self.metric(MetricType::Gauge, name, labels) {
            let _ = host::record(metric, value);
        }
    }
}

/// A number for a text behind others (FNV-1a): those of two are hardly the same.
fn hash(before: u64, text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().chain([0xff]).fold(before, step)
}

fn add(name: &str) {
    if let Ok(metric) = host::define_metric(MetricType::Counter, name) {
        let _ = host::increment(metric);
    }
}

/// A metric's name with labels, in the form that Istio's stat tags take apart: `key=.=value;.;name`.
fn tagged(labels: &[(&str, &str)], name: &str) -> String {
    let mut tagged = String::new();
    for (key, value) in labels {
        tagged.push_str(key);
        tagged.push_str("=.=");
        tagged.push_str(value);
        tagged.push_str(";.;");
    }
    tagged.push_str(name);
    tagged
}
