//! Scanning what a granted request carries.

use super::{Exchange, Pending};
use crate::json::{Document, Numbers, unescape_loosely};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::record::{Direction, FindingRecord, MAX_FINDINGS};
use crate::scan::{Action, Catalogue, Match, Profile};
use alloc::string::{String, ToString};

impl Exchange {
    /// Text is scanned as it stands, and as JSON where it happens to be JSON, or nearly so.
    pub(super) fn scan_text(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        body: &[u8],
    ) -> Result<(), Reason> {
        if let Ok(document) = Document::parse_with(body, Numbers::Opaque) {
            return self.scan_document(policy, pending, &document);
        }
        let profile = profile(policy, pending)?;
        let mut blocked = None;
        let mut report = |found| {
            let action = self.note_finding(policy, profile, found, String::new);
            blocked = blocked.take().or_else(|| refusal(policy, found, action));
        };
        let catalogue = &policy.parts().catalogue;
        catalogue.scan(profile, body, &mut report);
        if let Ok(text) = core::str::from_utf8(body) {
            scan_escaped(catalogue, profile, text, &mut report);
        }
        blocked.map_or(Ok(()), Err)
    }

    /// Scans every string of a document, keys and values alike, with escapes resolved; and where a string is itself a JSON text, as
    /// the arguments of tool calls often are, every string in that.
    pub(super) fn scan_document(
        &mut self,
        policy: &Policy,
        pending: &Pending,
        document: &Document<'_>,
    ) -> Result<(), Reason> {
        let profile = profile(policy, pending)?;
        let catalogue = &policy.parts().catalogue;
        let clean = |key: &str| !catalogue.finds_anything(key);
        let mut blocked = None;
        for (at, text) in document.strings() {
            let mut report = |found| {
                let action = self.note_finding(policy, profile, found, || document.pointer(at, clean));
                blocked = blocked.take().or_else(|| refusal(policy, found, action));
            };
            catalogue.scan(profile, text.as_bytes(), &mut report);
            if matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[')) {
                match Document::parse_with(text.as_bytes(), Numbers::Opaque) {
                    Ok(inner) => inner
                        .strings()
                        .for_each(|(_, text)| catalogue.scan(profile, text.as_bytes(), &mut report)),
                    // Whoever reads it is more lenient than we are.
                    Err(_) => scan_escaped(catalogue, profile, &text, &mut report),
                }
            }
        }
        blocked.map_or(Ok(()), Err)
    }

    fn note_finding(
        &mut self,
        policy: &Policy,
        profile: &Profile,
        found: Match,
        pointer: impl FnOnce() -> String,
    ) -> Action {
        let action = profile.action(found.detector);
        if self.record.findings.len() < MAX_FINDINGS {
            let detector = policy.parts().catalogue.detector(found.detector);
            self.record.findings.push(FindingRecord {
                detector: detector.map(|detector| detector.id.to_string()).unwrap_or_default(),
                direction: Direction::Request,
                pointer: pointer(),
                offset: found.start,
                length: found.end.saturating_sub(found.start),
                action,
            });
        }
        action
    }
}

/// Scans a text with its escapes resolved, where it has any.
fn scan_escaped(catalogue: &Catalogue, profile: &Profile, text: &str, report: impl FnMut(Match)) {
    if text.contains('\\') {
        catalogue.scan(profile, unescape_loosely(text).as_bytes(), report);
    }
}

fn profile<'p>(policy: &'p Policy, pending: &Pending) -> Result<&'p Profile, Reason> {
    policy.agent(pending.origin.agent).and_then(|agent| policy.profile(agent)).ok_or(Reason::Internal)
}

fn refusal(policy: &Policy, found: Match, action: Action) -> Option<Reason> {
    let detector = policy.parts().catalogue.detector(found.detector)?;
    (action == Action::Block).then(|| Reason::Dlp(detector.id.as_str().into()))
}
