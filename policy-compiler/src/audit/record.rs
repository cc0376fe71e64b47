//! A record as it is read back: what its keys are, told once. The schema, columns and attributes of exports come from [`FIELDS`].

use serde::Deserialize;

/// The largest number that every reader of JSON can hold.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// What a key holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number.
    Number,
    /// What detectors found.
    Findings,
}

/// A key of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether it is in every record, and never `null`.
    pub(crate) always: bool,
    /// The attribute of OpenTelemetry that it becomes; of its semantic conventions where those have one.
    pub(crate) attribute: &'static str,
    pub(crate) doc: &'static str,
}

/// The verdicts that there are.
pub(crate) const VERDICTS: &[&str] = &["allow", "redact", "deny", "hold"];

/// Every key that is known. Others are kept as they came.
pub(crate) const FIELDS: &[Field] = &[
    field(
        "seq",
        Kind::Number,
        true,
        "sallyport.audit.seq",
        "The number of the record in its proxy's epoch; it rises.",
    ),
    field(
        "time",
        Kind::Number,
        true,
        "timeUnixNano",
        "When the exchange ended, by the proxy's clock, in milliseconds since 1970.",
    ),
    field("verdict", Kind::Word(VERDICTS), true, "sallyport.verdict", "What became of the exchange."),
    field(
        "reason",
        Kind::Text,
        true,
        "sallyport.reason",
        "Why, as a stable code; `allowed` where there is nothing to explain.",
    ),
    field("status", Kind::Number, false, "http.response.status_code", "The status that the caller received."),
    field("agent", Kind::Text, false, "gen_ai.agent.name", "The agent that the caller is bound to."),
    field("mission", Kind::Text, false, "sallyport.mission", "The mission of the rule that decided."),
    field("rule", Kind::Text, false, "sallyport.rule", "The rule that decided."),
    field(
        "operation",
        Kind::Text,
        false,
        "sallyport.operation",
        "What was asked for, such as `mcp tools/call search_docs`.",
    ),
    field(
        "findings",
        Kind::Findings,
        false,
        "sallyport.findings",
        "What detectors found: which, where, how long; never the text.",
    ),
    field(
        "findingsUnlisted",
        Kind::Number,
        false,
        "sallyport.findings.unlisted",
        "How many more there were.",
    ),
    field("serial", Kind::Number, false, "sallyport.policy.serial", "The serial of the policy that judged."),
    field(
        "mode",
        Kind::Text,
        false,
        "sallyport.mode",
        "Whether refusals were carried out (`enforce`) or only noted (`observe`).",
    ),
    field(
        "enforced",
        Kind::Word(VERDICTS),
        false,
        "sallyport.enforced",
        "What the verdict would have been, had everything been enforced.",
    ),
    field("caller", Kind::Text, false, "client.spiffe_id", "The caller's verified SPIFFE ID."),
    field(
        "protocol",
        Kind::Text,
        false,
        "network.protocol.name",
        "The protocol that the request was judged by.",
    ),
    field("requestBytes", Kind::Number, false, "http.request.body.size", "The size of the request's body."),
    field(
        "responseBytes",
        Kind::Number,
        false,
        "http.response.body.size",
        "The size of the response's body.",
    ),
    field("destination", Kind::Text, false, "server.address", "The authority that was asked."),
    field("traceId", Kind::Text, false, "traceId", "The trace that the exchange belongs to."),
    field(
        "requestId",
        Kind::Text,
        false,
        "http.request.header.x-request-id",
        "The proxy's id of the request.",
    ),
    field(
        "decisionMicros",
        Kind::Number,
        false,
        "sallyport.decision.micros",
        "How long the gate took, in microseconds.",
    ),
    field("workload", Kind::Text, false, "service.name", "The workload that the proxy stands before."),
];

const fn field(
    name: &'static str,
    kind: Kind,
    always: bool,
    attribute: &'static str,
    doc: &'static str,
) -> Field {
    Field { name, kind, always, attribute, doc }
}

/// A record, typed. Text from outside: print it through `printable`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "some keys are only held to their type; outputs take them from the record's own bytes"
)]
pub(crate) struct Record {
    pub(crate) seq: u64,
    pub(crate) time: u64,
    pub(crate) verdict: Verdict,
    pub(crate) reason: String,
    pub(crate) status: Option<u16>,
    pub(crate) agent: Option<String>,
    pub(crate) mission: Option<String>,
    pub(crate) rule: Option<String>,
    pub(crate) operation: Option<String>,
    #[serde(default)]
    pub(crate) findings: Vec<Finding>,
    pub(crate) findings_unlisted: Option<u64>,
    pub(crate) serial: Option<u64>,
    pub(crate) mode: Option<String>,
    pub(crate) enforced: Option<Verdict>,
    pub(crate) caller: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) request_bytes: Option<u64>,
    pub(crate) response_bytes: Option<u64>,
    pub(crate) destination: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) decision_micros: Option<u64>,
    pub(crate) workload: Option<String>,
}

/// What became of an exchange.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Allow,
    Redact,
    Deny,
    Hold,
}

/// What a detector found.
#[derive(Clone, Debug, Deserialize)]
#[expect(dead_code, reason = "as those of a record")]
pub(crate) struct Finding {
    pub(crate) detector: String,
    #[serde(rename = "where")]
    pub(crate) place: String,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) action: String,
}

impl Record {
    /// Reads a line that the store holds, or that a proxy sent.
    pub(crate) fn parse(raw: &str) -> Option<Self> {
        serde_json::from_str(raw).ok()
    }
}

impl Verdict {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Redact => "redact",
            Self::Deny => "deny",
            Self::Hold => "hold",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the engine writes, as a proxy sends it.
    fn of_engine() -> serde_json::Value {
        let mut value: serde_json::Value =
            serde_json::from_str(&sallyport_engine::Record::default().to_json()).unwrap();
        let map = value.as_object_mut().unwrap();
        map.insert("seq".to_owned(), 1.into());
        map.insert("time".to_owned(), 1.into());
        value
    }

    #[test]
    fn every_key_of_the_engine_is_known_and_read() {
        let value = of_engine();
        for key in value.as_object().unwrap().keys() {
            assert!(FIELDS.iter().any(|field| field.name == key), "{key} is not in the table");
        }
        let read = Record::parse(&value.to_string()).unwrap();
        assert_eq!((read.seq, read.verdict, read.reason.as_str()), (1, Verdict::Allow, "allowed"));
    }

    #[test]
    fn the_table_and_the_type_agree() {
        let always: Vec<_> = FIELDS.iter().filter(|field| field.always).map(|field| field.name).collect();
        assert_eq!(always, ["seq", "time", "verdict", "reason"]);
        let base = serde_json::json!({"seq": 1, "time": 1, "verdict": "deny", "reason": "x"});
        Record::parse(&base.to_string()).unwrap();
        for field in FIELDS {
            let with = |value: serde_json::Value| {
                let mut changed = base.clone();
                changed[field.name] = value;
                Record::parse(&changed.to_string())
            };
            // A key that the type does not have would take anything.
            assert!(with(serde_json::json!({})).is_none(), "{} is not in the type", field.name);
            assert_eq!(with(serde_json::Value::Null).is_none(), field.always || field.name == "findings");
            let good = match field.kind {
                Kind::Text | Kind::Word(_) => "allow".into(),
                Kind::Number => 7.into(),
                Kind::Findings => serde_json::json!([]),
            };
            assert!(with(good).is_some(), "{}", field.name);
        }
    }
}
