//! The gate's own settings.

use sallyport_engine::policy::{
    Audit, Coded, Limits, LogLevel, Mode, Otherwise, Overflow, Settings, Staleness,
};

use super::circumstances::duration;
use super::missions::mode;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::Fields;
use crate::source::Document;

/// The one Gate, if there is one.
pub(super) fn one<'n, 's>(gates: Vec<Document<'n, 's>>, out: &mut Diagnostics) -> Option<Document<'n, 's>> {
    let mut gates = gates.into_iter();
    let first = gates.next()?;
    for other in gates {
        let message = "a policy has at most one Gate";
        let diagnostic = Diagnostic::new(Id::DuplicateGate, other.name.at, message).help("merge the two");
        out.push(diagnostic.also(first.name.at, "the other one"));
    }
    Some(first)
}

pub(super) fn limits(gate: Option<&Document<'_, '_>>) -> Limits {
    let most = gate.and_then(|gate| gate.spec.number("maxBodyBytes")).and_then(|n| u32::try_from(n).ok());
    most.map_or_else(Limits::default, |max_body_bytes| Limits { max_body_bytes })
}

pub(super) fn settings(gate: Option<&Document<'_, '_>>, out: &mut Diagnostics) -> Settings {
    // Images and the like are what nobody scans; where no Gate says otherwise, they pass.
    let unscannable = Otherwise::Allow;
    let Some(gate) = gate else { return Settings { unscannable, ..Settings::default() } };
    let spec = gate.spec;
    Settings {
        mode: mode(spec, Mode::Enforce),
        unmapped: otherwise(spec, "unmappedIdentities"),
        oversize: otherwise(spec, "oversizeBodies"),
        coded: match spec.word("encodedResponses").map(|word| word.text) {
            Some("deny") => Coded::Deny,
            Some("pass") => Coded::Pass,
            _ => Coded::Decode,
        },
        unscannable: match spec.word("unscannableResponses").map(|word| word.text) {
            Some("deny") => Otherwise::Deny,
            _ => unscannable,
        },
        staleness: spec.entry("staleness").and_then(|_| staleness(spec.object("staleness"), out)),
        audit: audit(spec.object("audit")),
    }
}

/// Whether routes that do not say it let bodies pass that the gate cannot read.
pub(super) fn opaque_bodies(gate: Option<&Document<'_, '_>>) -> bool {
    gate.is_some_and(|gate| otherwise(gate.spec, "opaqueBodies") == Otherwise::Allow)
}

fn otherwise(spec: Fields<'_, '_>, key: &str) -> Otherwise {
    let allows = spec.word(key).is_some_and(|text| text.text == "allow");
    if allows { Otherwise::Allow } else { Otherwise::Deny }
}

fn audit(fields: Fields<'_, '_>) -> Audit {
    let default = Audit::default();
    let word = |key| fields.word(key).map(|word| word.text);
    let level =
        |key| LogLevel::NAMES.iter().find(|(_, name)| word(key) == Some(*name)).map(|(level, _)| *level);
    let overflow = Overflow::NAMES.iter().find(|(_, name)| word("overflow") == Some(*name));
    Audit {
        overflow: overflow.map_or(default.overflow, |(overflow, _)| *overflow),
        records: fields.number("records").and_then(|n| u32::try_from(n).ok()).unwrap_or(default.records),
        passed: level("allowLog").unwrap_or(default.passed),
        refused: level("denyLog").unwrap_or(default.refused),
    }
}

/// Proxies ask every second at the most, and the ages that they compare are of whole seconds.
const SHORTEST_STALENESS: u32 = 2;

fn staleness(fields: Fields<'_, '_>, out: &mut Diagnostics) -> Option<Staleness> {
    let written = fields.text("after")?;
    let after = duration(written, out)?;
    if after < SHORTEST_STALENESS {
        let message = format!(
            "policy that is too old after `{}` is so between two answers of a companion that is well",
            written.text
        );
        let help = "write `2s` or more; `1m` or more where an answer may be lost";
        out.push(Diagnostic::new(Id::Malformed, written.at, message).help(help));
        return None;
    }
    let then = match fields.word("then")?.text {
        "keep" => Otherwise::Allow,
        _ => Otherwise::Deny,
    };
    Some(Staleness { after, then })
}
