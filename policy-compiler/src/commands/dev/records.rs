//! A record of the gate as a line for people.

use crate::decide::Record;
use crate::report::{Colour, printable};

/// How wide the columns of caller and operation are; longer ones push the rest to the right.
const CALLER_WIDTH: usize = 16;
const OPERATION_WIDTH: usize = 34;

/// The line of one record. What cannot be read is shown as it came.
pub(super) fn line(json: &str, colour: Colour) -> String {
    let Ok(record) = serde_json::from_str::<Record>(json) else { return printable(json) };
    let unknown = || "-".to_owned();
    let caller = record.agent.or(record.caller).unwrap_or_else(|| "(no identity)".to_owned());
    let status = record.status.map_or_else(unknown, |status| status.to_string());
    let why = match (record.mission, record.rule) {
        (Some(mission), Some(rule)) if record.reason == "allowed" => format!("{mission}/{rule}"),
        (Some(mission), Some(rule)) => format!("{} by {mission}/{rule}", record.reason),
        _ => record.reason,
    };
    let why = if record.enforced == record.verdict { why } else { format!("{why} (let go)") };
    let mut found: Vec<_> =
        record.findings.iter().map(|f| format!("{} {} at {}", f.action, f.detector, f.r#where)).collect();
    if record.findings_unlisted > 0 {
        found.push(format!("{} more", record.findings_unlisted));
    }
    let found = if found.is_empty() { String::new() } else { format!("  [{}]", found.join("; ")) };
    let operation = record.operation.unwrap_or_else(unknown);
    let line = format!("{status:<4} {caller:<CALLER_WIDTH$} {operation:<OPERATION_WIDTH$} {why}{found}");
    let code = match (record.verdict.as_str(), colour) {
        (_, Colour::Never) => return printable(&format!("{:<6} {line}", record.verdict)),
        ("allow", Colour::Always) => "32",
        ("deny", Colour::Always) => "31",
        (_, Colour::Always) => "33",
    };
    format!("\x1b[{code}m{:<6}\x1b[0m {}", printable(&record.verdict), printable(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_becomes_one_line() {
        let json = r#"{"verdict":"deny","reason":"policy.denied","status":403,"agent":"deploy","mission":"deploy",
            "rule":"never-drop","operation":"mcp tools/call drop_table","findings":[],"findingsUnlisted":0,"mode":"enforce","enforced":"deny","caller":"spiffe://a/b",
            "protocol":"mcp","requestBytes":1,"responseBytes":0}"#;
        assert_eq!(
            line(json, Colour::Never),
            "deny   403  deploy           mcp tools/call drop_table          policy.denied by deploy/never-drop"
        );
        assert_eq!(line("\u{1b}[2J", Colour::Always), "\u{fffd}[2J");
    }
}
