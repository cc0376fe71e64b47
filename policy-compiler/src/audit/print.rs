//! Records as text: a line of JSON, a line of CSV, a line of a table.

use serde_json::Value;
use serde_json::value::RawValue;

use super::filter::Found;
use super::record::{FIELDS, Kind};
use crate::report::printable;

/// The columns that the store adds to a record's own.
const STORED: [&str; 5] = ["received", "proxy", "verified", "epoch", "place"];
/// The longest cell of a table, in characters.
const MAX_CELL: usize = 60;

/// A record in the envelope of the store. What is in `record` is what the proxy sent, byte for byte; nothing in it can be taken for
/// what the store says.
#[derive(serde::Serialize)]
struct Envelope<'f> {
    received: u64,
    proxy: &'f str,
    verified: bool,
    epoch: String,
    place: u64,
    record: &'f RawValue,
}

/// One line of JSON, without its end.
pub(crate) fn json(found: &Found) -> String {
    let Found { proxy, entry, .. } = found;
    // INVARIANT: it was parsed when it came in, and again when it was read.
    let Ok(record) = serde_json::from_str(&entry.raw) else { return String::new() };
    let envelope = Envelope {
        received: entry.place.received,
        proxy,
        verified: proxy.starts_with("spiffe://"),
        epoch: entry.epoch.to_string(),
        place: entry.place.place,
        record,
    };
    serde_json::to_string(&envelope).unwrap_or_default()
}

/// The first line of CSV.
pub(crate) fn csv_head() -> String {
    let names: Vec<_> = STORED.into_iter().chain(FIELDS.iter().map(|field| field.name)).collect();
    names.join(",")
}

/// One line of CSV (RFC 4180), without its end.
pub(crate) fn csv(found: &Found) -> String {
    let Found { proxy, entry, .. } = found;
    let value: Value = serde_json::from_str(&entry.raw).unwrap_or_default();
    let stored = [
        entry.place.received.to_string(),
        cell(proxy),
        proxy.starts_with("spiffe://").to_string(),
        entry.epoch.to_string(),
        entry.place.place.to_string(),
    ];
    let fields = FIELDS.iter().map(|field| match (field.kind, value.get(field.name)) {
        (_, None | Some(Value::Null)) => String::new(),
        (Kind::Findings, _) => cell(&detectors(found)),
        (_, Some(Value::String(text))) => cell(text),
        (_, Some(other)) => cell(&other.to_string()),
    });
    stored.into_iter().chain(fields).collect::<Vec<_>>().join(",")
}

/// A cell. One that a spreadsheet would take for a formula begins with an apostrophe. None holds what would end a line or drive a terminal:
/// what was sent is in the JSON, byte for byte.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{}", printable(text)) } else { printable(text) };
    let plain = !text.contains(['"', ',']);
    if plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// The detectors of a record's findings, each once.
fn detectors(found: &Found) -> String {
    let mut names: Vec<_> = found.record.findings.iter().map(|finding| finding.detector.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(" ")
}

/// The head of a table.
pub(crate) const TABLE: [&str; 9] =
    ["RECEIVED", "AGENT", "VERDICT", "REASON", "STATUS", "OPERATION", "DESTINATION", "RULE", "FINDINGS"];

/// One row of a table.
pub(crate) fn row(found: &Found) -> Vec<String> {
    let record = &found.record;
    let text = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), short);
    let rule = match (&record.mission, &record.rule) {
        (Some(mission), Some(rule)) => short(&format!("{mission}/{rule}")),
        _ => "-".to_owned(),
    };
    let verdict = match record.enforced {
        Some(enforced) if enforced != record.verdict => {
            format!("{} ({})", record.verdict.as_str(), enforced.as_str())
        }
        _ => record.verdict.as_str().to_owned(),
    };
    let found_what = short(&detectors(found));
    vec![
        moment(found.entry.place.received),
        record.agent.as_deref().or(record.caller.as_deref()).map_or("-".to_owned(), short),
        verdict,
        short(&record.reason),
        record.status.map_or("-".to_owned(), |status| status.to_string()),
        text(&record.operation),
        text(&record.destination),
        rule,
        if found_what.is_empty() { "-".to_owned() } else { found_what },
    ]
}

fn short(text: &str) -> String {
    let clean = printable(text);
    match clean.char_indices().nth(MAX_CELL) {
        Some((end, _)) => format!("{}\u{2026}", clean.get(..end).unwrap_or_default()),
        None => clean,
    }
}

/// A time in milliseconds since 1970 as RFC 3339 has it.
pub(crate) fn moment(millis: u64) -> String {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    let nanos = i128::from(millis) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| millis.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        assert_eq!(cell("a"), "a");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        for bad in ["=1+1", "+1", "-1", "@x", "\tx"] {
            assert!(cell(bad).trim_start_matches('"').starts_with('\''), "{bad}");
        }
        assert_eq!(cell("a\r\n\u{1b}[31m\u{9b}\u{202e}b"), "a\u{fffd}\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}b");
    }

    #[test]
    fn times_are_written_out() {
        assert_eq!(moment(1_795_341_600_123), "2026-11-22T10:00:00.123Z");
        assert_eq!(moment(u64::MAX), u64::MAX.to_string());
    }
}
