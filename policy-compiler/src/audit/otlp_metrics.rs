//! What the companion counts of records, as OTLP metrics over HTTP, in its JSON encoding (OTLP 1.x). Sums are cumulative, since the
//! companion began.

use serde_json::{Value, json};

use super::otlp::attribute;
use super::tally::{BOUNDS, Recorded};

/// Where a collector takes metrics.
pub(super) const PATH: &str = "/v1/metrics";
/// Sums are counted from the beginning on, not from the last request.
const CUMULATIVE: u32 = 2;

/// Whose metrics they are.
#[derive(Debug)]
pub(super) struct Source {
    /// Another one for each process: several companions are told apart by it.
    pub(super) instance: String,
    /// When it began, in nanoseconds since 1970.
    pub(super) began: u64,
}

/// The body of a request.
pub(super) fn metrics(counts: &Recorded, source: &Source, now: u64) -> String {
    let point = |attributes: Vec<Value>, value: u64| {
        json!({
            "attributes": attributes,
            "startTimeUnixNano": source.began.to_string(),
            "timeUnixNano": now.to_string(),
            "asInt": value.to_string(),
        })
    };
    let sum = |name: &str, unit: &str, what: &str, points: Vec<Value>| {
        let sum = json!({"aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": points});
        json!({"name": name, "unit": unit, "description": what, "sum": sum})
    };
    let gauge = |name: &str, unit: &str, what: &str, value: u64| {
        let points = json!({"dataPoints": [point(Vec::new(), value)]});
        json!({"name": name, "unit": unit, "description": what, "gauge": points})
    };
    let one = |value| vec![point(Vec::new(), value)];
    let decided = counts.decided.iter().map(|((verdict, reason), count)| {
        let verdict = attribute("sallyport.verdict", &json!(verdict.as_str()));
        point(vec![verdict, attribute("sallyport.reason", &json!(reason))], *count)
    });
    let mut metrics = vec![
        sum("sallyport.audit.records", "{record}", "Records that were stored.", decided.collect()),
        sum("sallyport.audit.batches", "{batch}", "Bodies that were acknowledged.", one(counts.batches)),
        sum("sallyport.audit.repeated", "{record}", "Records that came again.", one(counts.repeated)),
        sum("sallyport.audit.retired", "{record}", "Records that were retired.", one(counts.retired)),
        sum("sallyport.audit.refused", "{batch}", "Bodies that were not acknowledged.", one(counts.refused)),
        commits(counts, source, now),
    ];
    if let Some(totals) = counts.totals {
        metrics.extend([
            gauge("sallyport.audit.proxies", "{proxy}", "Proxies with records.", totals.proxies),
            gauge("sallyport.audit.missing", "{record}", "Numbers that never came.", totals.missing),
            gauge("sallyport.audit.dropped", "{record}", "Records that proxies dropped.", totals.dropped),
        ]);
    }
    // A metric without points says nothing.
    metrics.retain(|metric| metric.pointer("/sum/dataPoints/0").is_some() || metric.get("sum").is_none());
    let resource = [
        ("service.name", "sallyport-companion"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", source.instance.as_str()),
    ];
    let resource = resource.map(|(key, value)| attribute(key, &json!(value)));
    let scope = json!({"name": "sallyport.audit", "version": env!("CARGO_PKG_VERSION")});
    json!({"resourceMetrics": [{
        "resource": {"attributes": resource},
        "scopeMetrics": [{"scope": scope, "metrics": metrics}],
    }]})
    .to_string()
}

fn commits(counts: &Recorded, source: &Source, now: u64) -> Value {
    let commits = &counts.commits;
    let bounds = BOUNDS.map(|micros| micros as f64 / 1e6);
    let point = json!({
        "startTimeUnixNano": source.began.to_string(),
        "timeUnixNano": now.to_string(),
        "count": commits.count().to_string(),
        "sum": commits.seconds(),
        "bucketCounts": commits.buckets.map(|count| count.to_string()),
        "explicitBounds": bounds,
    });
    json!({
        "name": "sallyport.audit.commit.duration",
        "unit": "s",
        "description": "How long it took to make records durable.",
        "histogram": {"aggregationTemporality": CUMULATIVE, "dataPoints": [point]},
    })
}
