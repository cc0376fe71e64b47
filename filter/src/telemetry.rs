//! Records on their way out: one log line, filter state for access logs, and counters.

use crate::config::ConfigError;
use crate::host::{self, Level, MetricId, MetricType};
use sallyport_engine::{Record, Verdict};
use std::borrow::Cow;
use std::cell::RefCell;

/// The property that carries the record: `%FILTER_STATE(wasm.sallyport:PLAIN)%` in an access log.
const RECORD_PROPERTY: &str = "sallyport";

/// The counters that were used so far. Policy bounds how many there can be; they are few.
#[derive(Debug, Default)]
pub(crate) struct Telemetry(RefCell<Vec<Counter>>);

/// How many exchanges ended in one way.
#[derive(Debug)]
struct Counter {
    verdict: Verdict,
    reason: Cow<'static, str>,
    metric: MetricId,
}

impl Telemetry {
    /// Tells what became of an exchange.
    pub(crate) fn record(&self, record: &Record) {
        let json = record.to_json();
        // An access log without the record is worse than none, but not worth a request.
        let _ = host::set_property(RECORD_PROPERTY, &json);
        host::log(Level::Info, &json);
        self.count(record.verdict(), record.reason());
    }

    /// Tells that the configuration could be read, and whether there is a policy to begin with. What an earlier configuration was
    /// reproached with is mended.
    pub(crate) fn configured(&self, loaded: bool) {
        gauge("sallyport_policy_loaded", u64::from(loaded));
        for code in ConfigError::CODES {
            gauge(&tagged(&[("reason", code)], "sallyport_config_error"), 0);
        }
    }

    /// Tells that a policy is in force.
    pub(crate) fn enforced(&self, serial: u64) {
        gauge("sallyport_policy_loaded", 1);
        gauge("sallyport_policy_serial", serial);
        add("sallyport_policy_loads_total");
    }

    /// Tells when the companion last confirmed the policy, in seconds since 1970.
    pub(crate) fn confirmed(&self, at: u64) {
        gauge("sallyport_policy_confirmed_seconds", at);
    }

    /// Tells what came of a call to the companion.
    pub(crate) fn fetched(&self, result: &str) {
        add(&tagged(&[("result", result)], "sallyport_fetches_total"));
    }

    /// Tells that there is no policy, and why.
    pub(crate) fn misconfigured(&self, code: &str) {
        gauge("sallyport_policy_loaded", 0);
        gauge(&tagged(&[("reason", code)], "sallyport_config_error"), 1);
    }

    fn count(&self, verdict: Verdict, reason: Cow<'static, str>) {
        let Ok(mut known) = self.0.try_borrow_mut() else { return };
        let found = known.iter().find(|counter| counter.verdict == verdict && counter.reason == reason);
        let metric = match found {
            Some(counter) => counter.metric,
            None => {
                let labels = [("verdict", verdict.as_str()), ("reason", &reason)];
                let name = tagged(&labels, "sallyport_requests_total");
                let Ok(metric) = host::define_metric(MetricType::Counter, &name) else { return };
                known.push(Counter { verdict, reason, metric });
                metric
            }
        };
        let _ = host::increment(metric);
    }
}

fn add(name: &str) {
    if let Ok(metric) = host::define_metric(MetricType::Counter, name) {
        let _ = host::increment(metric);
    }
}

fn gauge(name: &str, value: u64) {
    if let Ok(metric) = host::define_metric(MetricType::Gauge, name) {
        let _ = host::record(metric, value);
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
