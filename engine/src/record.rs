//! What is kept of an exchange: who, what, on which resource, why. Never content.

mod findings;
mod traced;

use crate::identity::SpiffeId;
use crate::json::write_string;
use crate::policy::Mode;
use crate::reason::Reason;
use crate::scan::Action;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;
pub use findings::Findings;
pub(crate) use traced::{request_id, trace_id};

/// The longest operation that a record shows, in bytes.
const MAX_OPERATION_LEN: usize = 256;
/// Most records are shorter than this, in bytes.
const USUAL_LEN: usize = 1024;

/// The outcome of an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The request went on, and its answer came back.
    Allow,
    /// They did, but not everything in them.
    Redact,
    /// The request was refused, or its answer.
    Deny,
    /// The request waits for approval; until it can be given, it is refused.
    Hold,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the caller to the upstream.
    Request,
    /// From the upstream to the caller.
    Response,
}

/// One finding of a detector, without the text that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FindingRecord {
    /// The detector's id.
    pub detector: String,
    /// Which way the message went.
    pub direction: Direction,
    /// A JSON pointer into the body, or empty for a body that is not JSON.
    pub pointer: String,
    /// Where it begins, in bytes from the start of the decoded string or body.
    pub offset: usize,
    /// How long it is, in bytes.
    pub length: usize,
    /// What was done about it.
    pub action: Action,
    /// The bytes of the message that it stands in, as the message came; nothing for a stream. Not part of the record.
    pub place: (usize, usize),
}

/// The record of one exchange. Names come from policy, the operation from the protocol; both are bounded and escaped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Why the request was refused; `None` where it went on.
    pub refusal: Option<Reason>,
    /// Why the request would have been refused, had the gate not been told to let it go on: it only observes, or a setting says so.
    pub passed: Option<Reason>,
    /// The serial of the policy that it was judged by; `None` without a policy.
    pub serial: Option<u64>,
    /// Whether refusals were carried out or only noted.
    pub mode: Mode,
    /// The status that the caller received.
    pub status: Option<u16>,
    /// The caller's verified SPIFFE ID.
    pub caller: Option<SpiffeId>,
    /// The agent that the caller is bound to.
    pub agent: Option<String>,
    /// The mission of the rule that decided.
    pub mission: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The protocol that the request was judged by.
    pub protocol: Option<&'static str>,
    /// What was asked for: `mcp tools/call search_docs`, `http GET /docs/{id}`.
    pub operation: Option<String>,
    /// Whether something was taken out of the request or its answer on the way.
    pub redacted: bool,
    /// What detectors found.
    pub findings: Findings,
    /// The size of the request's body.
    pub request_bytes: u64,
    /// The size of the response's body.
    pub response_bytes: u64,
    /// Whom the request was for: host, and port where it named one, as they are compared. `None` for one that cannot be read.
    pub destination: Option<String>,
    /// The trace that the request says it belongs to (W3C Trace Context, `traceparent`): 32 hexadecimal digits.
    pub trace: Option<String>,
    /// What the proxy calls the request (`x-request-id`), if that is hexadecimal digits and hyphens.
    pub request_id: Option<String>,
    /// What only whoever drives the exchange knows.
    pub driven: Driven,
}

/// What the engine, which has no clock and knows no proxy, is told for the record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Driven {
    /// When the exchange ended, in milliseconds since 1970.
    pub time: Option<u64>,
    /// How long request and response were looked at, in microseconds.
    pub decision_micros: Option<u64>,
    /// The proxy, by the name that it has among its like.
    pub workload: Option<String>,
}

impl Verdict {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Redact => "redact",
            Self::Deny => "deny",
            Self::Hold => "hold",
        }
    }
}

impl Direction {
    fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

impl Record {
    /// The outcome.
    pub fn verdict(&self) -> Verdict {
        verdict_of(self.refusal.as_ref(), self.redacted)
    }

    /// What the outcome would have been, had everything been enforced.
    pub fn enforced(&self) -> Verdict {
        let redacts = self.redacted || self.findings.redacts();
        verdict_of(self.refusal.as_ref().or(self.passed.as_ref()), redacts)
    }

    /// The stable code of why the request was refused, or would have been; `allowed` where there is nothing to explain.
    pub fn reason(&self) -> Cow<'static, str> {
        self.refusal.as_ref().or(self.passed.as_ref()).map_or(Cow::Borrowed("allowed"), Reason::code)
    }

    /// One line of JSON: every key is always there, `null` where nothing is known.
    pub fn to_json(&self) -> String {
        let mut out = Object::with_capacity(USUAL_LEN);
        out.text("verdict", Some(self.verdict().as_str()));
        out.text("reason", Some(&self.reason()));
        out.number("status", self.status.map(u64::from));
        out.text("agent", self.agent.as_deref());
        out.text("mission", self.mission.as_deref());
        out.text("rule", self.rule.as_deref());
        out.text("operation", self.operation.as_deref().map(bounded));
        out.list("findings", self.findings.iter().map(FindingRecord::to_json));
        out.number("findingsUnlisted", Some(u64::from(self.findings.unlisted())));
        out.number("serial", self.serial);
        out.text("mode", Some(self.mode.name()));
        out.text("enforced", Some(self.enforced().as_str()));
        out.text("caller", self.caller.as_ref().map(SpiffeId::as_str));
        out.text("protocol", self.protocol);
        out.number("requestBytes", Some(self.request_bytes));
        out.number("responseBytes", Some(self.response_bytes));
        out.number("time", self.driven.time);
        out.number("decisionMicros", self.driven.decision_micros);
        out.text("workload", self.driven.workload.as_deref().map(bounded));
        out.text("destination", self.destination.as_deref().map(bounded));
        out.text("traceId", self.trace.as_deref());
        out.text("requestId", self.request_id.as_deref());
        out.close()
    }
}

impl Record {
    /// The same within `most` bytes: with fewer findings if it takes that.
    pub fn to_json_within(&self, most: usize) -> String {
        let json = self.to_json();
        if json.len() <= most || self.findings.is_empty() {
            return json;
        }
        let mut shorter = self.clone();
        shorter.findings.halve();
        shorter.to_json_within(most)
    }
}

impl FindingRecord {
    fn to_json(&self) -> String {
        let mut out = Object::with_capacity(0);
        out.text("detector", Some(&self.detector));
        out.text("where", Some(&format!("{}:{}", self.direction.as_str(), self.pointer)));
        out.number("offset", u64::try_from(self.offset).ok());
        out.number("length", u64::try_from(self.length).ok());
        out.text("action", Some(self.action.as_str()));
        out.close()
    }
}

fn verdict_of(refusal: Option<&Reason>, redacted: bool) -> Verdict {
    match refusal {
        None if redacted => Verdict::Redact,
        None => Verdict::Allow,
        Some(Reason::ApprovalRequired) => Verdict::Hold,
        Some(_) => Verdict::Deny,
    }
}

/// The part of a text that a record shows, cut between characters.
fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_OPERATION_LEN)).unwrap_or_default()
}

/// A JSON object under construction.
struct Object(String);

impl Object {
    fn with_capacity(capacity: usize) -> Self {
        let mut object = String::with_capacity(capacity);
        object.push('{');
        Self(object)
    }

    /// Begins a member. The names of ours are plain.
    fn key(&mut self, key: &'static str) {
        self.0.push_str(if self.0.len() > 1 { ",\"" } else { "\"" });
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    fn text(&mut self, key: &'static str, value: Option<&str>) {
        self.key(key);
        match value {
            Some(value) => write_string(&mut self.0, value),
            None => self.0.push_str("null"),
        }
    }

    fn number(&mut self, key: &'static str, value: Option<u64>) {
        self.key(key);
        match value {
            // Writing to a String cannot fail.
            Some(value) => drop(write!(self.0, "{value}")),
            None => self.0.push_str("null"),
        }
    }

    fn list(&mut self, key: &'static str, members: impl Iterator<Item = String>) {
        self.key(key);
        let mut separator = "[";
        for member in members {
            self.0.push_str(separator);
            self.0.push_str(&member);
            separator = ",";
        }
        self.0.push_str(if separator == "[" { "[]" } else { "]" });
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_and_complete() {
        let record = Record {
            refusal: Some(Reason::Dlp("aws-access-key-id".into())),
            status: Some(403),
            serial: Some(7),
            operation: Some("mcp tools/call a\"\n\u{1b}[31m".to_string()),
            findings: [FindingRecord {
                detector: "aws-access-key-id".to_string(),
                direction: Direction::Request,
                pointer: "/params/arguments/q".to_string(),
                offset: 4,
                length: 20,
                action: Action::Block,
                place: (30, 50),
            }]
            .into_iter()
            .collect(),
            ..Record::default()
        };
        let json: serde_json::Value = serde_json::from_str(&record.to_json()).unwrap();
        assert_eq!(
            (&json["verdict"], &json["reason"], &json["status"]),
            (&"deny".into(), &"dlp.aws-access-key-id".into(), &403.into())
        );
        assert_eq!(json["findings"][0]["where"], "request:/params/arguments/q");
        assert_eq!(json["serial"], 7);
        assert!(json["agent"].is_null() && !record.to_json().contains(['\n', '\u{1b}']));
    }

    #[test]
    fn a_long_operation_is_cut_between_characters() {
        let text = "\u{e9}".repeat(200);
        assert_eq!(bounded(&text).len(), 256);
        assert_eq!(bounded("short"), "short");
        assert_eq!(bounded(&format!("x{text}")).len(), 255);
    }
}
