//! Records as OTLP logs over HTTP, in its JSON encoding (OTLP 1.x). Attributes are those of the table of fields.

use serde::Deserialize;
use serde_json::{Value, json};

use super::filter::Found;
use super::record::{FIELDS, Kind, Verdict};

/// Where a collector takes logs.
pub(super) const PATH: &str = "/v1/logs";
/// Fields that a log record of OTLP has a place of its own for.
const OWN: [&str; 3] = ["time", "traceId", "workload"];

/// What a collector answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    partial_success: Option<Partial>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Partial {
    /// A number of 64 bits: a text in OTLP's JSON, and a number of some.
    #[serde(default, alias = "rejectedDataPoints")]
    rejected_log_records: Value,
}

/// The body of a request: one resource for each workload.
pub(super) fn logs(records: &[Found]) -> String {
    let mut workloads: Vec<Option<&str>> =
        records.iter().map(|found| found.record.workload.as_deref()).collect();
    workloads.sort_unstable();
    workloads.dedup();
    let resources: Vec<_> = workloads
        .into_iter()
        .map(|workload| {
            let mine = records.iter().filter(|found| found.record.workload.as_deref() == workload);
            let name = workload.unwrap_or("unknown_service:sallyport");
            json!({
                "resource": { "attributes": [attribute("service.name", &json!(name))] },
                "scopeLogs": [{
                    "scope": { "name": "sallyport.audit", "version": env!("CARGO_PKG_VERSION") },
                    "logRecords": mine.map(log).collect::<Vec<_>>(),
                }],
            })
        })
        .collect();
    json!({ "resourceLogs": resources }).to_string()
}

/// Whether the collector took everything.
pub(super) fn accepted(answer: &[u8]) -> Result<(), String> {
    let partial = serde_json::from_slice::<Answer>(answer).ok().and_then(|answer| answer.partial_success);
    let rejected = partial.map(|partial| partial.rejected_log_records);
    let none = match &rejected {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text == "0",
        Some(Value::Number(number)) => number.as_u64() == Some(0),
        Some(_) => false,
    };
    if none { Ok(()) } else { Err("the collector rejected records".to_owned()) }
}

fn log(found: &Found) -> Value {
    let Found { proxy, entry, record } = found;
    let (number, text) = match record.enforced.unwrap_or(record.verdict) {
        Verdict::Allow | Verdict::Redact => (9, "INFO"),
        Verdict::Deny | Verdict::Hold => (13, "WARN"),
    };
    let raw: Value = serde_json::from_str(&entry.raw).unwrap_or_default();
    let fields = FIELDS.iter().filter(|field| !OWN.contains(&field.name));
    let mut attributes: Vec<_> = fields
        .filter_map(|field| {
            let value = raw.get(field.name).filter(|value| !value.is_null())?;
            Some(match field.kind {
                Kind::Findings => attribute(field.attribute, &findings(value)),
                _ => attribute(field.attribute, value),
            })
        })
        .collect();
    attributes.push(attribute("sallyport.audit.proxy", &json!(proxy)));
    attributes.push(attribute("sallyport.audit.epoch", &json!(entry.epoch.to_string())));
    attributes.push(attribute("sallyport.audit.place", &json!(entry.place.place)));
    // Whatever a proxy claims must fit: a collector refuses all for one number that does not.
    let nanos = |millis: u64| millis.saturating_mul(1_000_000).to_string();
    let body = format!("{} {}", record.verdict.as_str(), record.operation.as_deref().unwrap_or("request"));
    let mut log = json!({
        "timeUnixNano": nanos(entry.time),
        "observedTimeUnixNano": nanos(entry.place.received),
        "severityNumber": number,
        "severityText": text,
        "eventName": "sallyport.exchange",
        "body": { "stringValue": body },
        "attributes": attributes,
    });
    // A trace id that is none would make the whole request malformed.
    let trace = record.trace_id.as_deref().filter(|id| is_trace(id));
    if let (Some(trace), Some(log)) = (trace, log.as_object_mut()) {
        log.insert("traceId".to_owned(), json!(trace.to_ascii_lowercase()));
    }
    log
}

/// Each finding as `detector where action`.
fn findings(value: &Value) -> Value {
    let text =
        |finding: &Value, key: &str| finding.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = value.as_array().into_iter().flatten();
    let lines = all.map(|finding| ["detector", "where", "action"].map(|key| text(finding, key)).join(" "));
    lines.collect::<Vec<_>>().into()
}

pub(super) fn attribute(key: &str, value: &Value) -> Value {
    json!({ "key": key, "value": any(value) })
}

fn any(value: &Value) -> Value {
    match value {
        // Numbers of 64 bits are texts in the JSON of protobuf.
        Value::Number(number) if number.is_i64() => json!({ "intValue": number.to_string() }),
        Value::Bool(boolean) => json!({ "boolValue": boolean }),
        Value::Array(items) => {
            json!({ "arrayValue": { "values": items.iter().map(any).collect::<Vec<_>>() } })
        }
        Value::String(text) => json!({ "stringValue": text }),
        Value::Number(_) | Value::Null | Value::Object(_) => json!({ "stringValue": value.to_string() }),
    }
}

fn is_trace(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0')
}
