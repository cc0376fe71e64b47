//! One case's line of output.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::judge::replied;
use super::{Finding, Observed};
use crate::cases::Case;

/// The keys and their order are part of the interface.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    verdict: Option<&'a str>,
    reason: Option<&'a str>,
    status: Option<u16>,
    agent: Option<&'a str>,
    mission: Option<&'a str>,
    rule: Option<&'a str>,
    operation: Option<&'a str>,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enforced: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<(&'a str, String)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returned: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<bool>,
}

/// Writes the line of one case; without an observation everything about the exchange is null.
pub(super) fn line(
    out: &mut impl Write,
    case: &Case,
    observed: Option<&Observed>,
    pass: Option<bool>,
) -> io::Result<()> {
    let record = observed.map(|observed| &observed.record);
    let base64 = |body: &Vec<u8>| STANDARD.encode(body);
    let line = Line {
        name: &case.name,
        verdict: record.map(|r| r.verdict.as_str()),
        reason: record.map(|r| r.reason.as_str()),
        status: observed.map(|o| o.status),
        agent: record.and_then(|r| r.agent.as_deref()),
        mission: record.and_then(|r| r.mission.as_deref()),
        rule: record.and_then(|r| r.rule.as_deref()),
        operation: record.and_then(|r| r.operation.as_deref()),
        findings: record.map_or(&[], |r| &r.findings),
        mode: record.map(|r| r.mode.as_str()).filter(|mode| *mode != "enforce"),
        enforced: record.filter(|r| r.enforced != r.verdict).map(|r| r.enforced.as_str()),
        forwarded: observed.and_then(|o| o.forwarded.as_ref()).map(base64),
        headers: observed.and_then(|o| o.headers.as_ref()).map(|headers| pairs(headers)),
        returned: observed.filter(|o| !replied(&o.record)).and_then(|o| o.returned.as_ref()).map(base64),
        pass,
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Bytes that are not UTF-8 are shown as replacement characters; comparison is by bytes and happens elsewhere.
fn pairs(headers: &[(String, Vec<u8>)]) -> Vec<(&str, String)> {
    headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned())).collect()
}
