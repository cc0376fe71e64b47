//! Looking through texts with detectors outside of a gate, as `policy-compiler scan` does.

use sallyport_engine::json::{Document, Numbers};
use sallyport_engine::scan::{
    Action, Aside, Channel, Edit, Inspection, Inspector, Place, Profile, apply, disjoint,
};
use serde::Serialize;

use crate::detectors::Tables;

/// The detectors, what they do, and where.
#[derive(Clone, Debug)]
pub struct Scanner {
    /// The detectors.
    pub tables: Tables,
    /// What they do.
    pub profile: Profile,
    /// Where the texts stand.
    pub place: Place,
}

/// What came of a text.
#[derive(Debug)]
pub struct Scanned {
    /// What was found, by place; at most as many as a record holds.
    pub findings: Vec<Finding>,
    /// The text with what was found replaced.
    pub text: Vec<u8>,
}

/// Something that was found. It never says what.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Which detector found it.
    pub detector: String,
    /// The pack of the detector.
    pub pack: String,
    /// How bad it is.
    pub severity: &'static str,
    /// What a gate would do.
    pub action: &'static str,
    /// Where in a document, as a JSON pointer.
    pub pointer: String,
    /// The first byte of it in the text there.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// The line of the text as it was given, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
}

impl Scanner {
    /// The profile with every detector on: one that is off anywhere does there what it does where it is on, and alerts where that is
    /// nothing.
    pub fn turn_all_on(&mut self) {
        for (treatment, own) in self.profile.treatments_mut().iter_mut().zip(&self.tables.own) {
            let on = |action: &mut Action, own: Action| {
                if *action == Action::Off {
                    *action = own.max(Action::Alert);
                }
            };
            on(&mut treatment.request, own.request);
            on(&mut treatment.response, own.response);
            on(&mut treatment.tools, own.tools);
        }
    }

    /// Looks through a text that is there as a whole: as a document where it is one.
    pub fn whole(&self, text: &[u8]) -> Scanned {
        let inspect = |profile: &Profile| {
            let mut inspector = Inspector::new(&self.tables.catalogue, profile, self.place);
            match Document::parse_with(text, Numbers::Opaque) {
                Ok(document) => inspector.document(&document),
                Err(_) => inspector.text(text),
            }
            inspector.finish()
        };
        let Inspection { findings, .. } = inspect(&self.profile);
        let mut found: Vec<_> = findings.into_iter().collect();
        found.sort_by_key(|finding| finding.place);
        let findings = found.into_iter().map(|record| {
            let length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
            let (offset, size) = (length(record.offset), length(record.length));
            self.finding(
                record.detector,
                record.action,
                record.pointer,
                (offset, size),
                position(text, record.place.0),
            )
        });
        Scanned { findings: findings.collect(), text: apply(text, &inspect(&self.replacing()).edits) }
    }

    /// Looks through a text that arrives in pieces of so many bytes; none if it is not UTF-8. `\n` and the like are resolved first
    /// where it is a document.
    pub fn pieces(&self, text: &[u8], size: usize) -> Option<Scanned> {
        let text = std::str::from_utf8(text).ok()?;
        let is_document = Document::parse_with(text.as_bytes(), Numbers::Opaque).is_ok();
        let profile = self.replacing();
        let mut channel = Channel::new(self.place, is_document);
        let mut hits = Vec::new();
        let pieces = pieces(text, size);
        for (at, piece) in pieces.iter().enumerate() {
            let end = at + 1 == pieces.len();
            channel.feed(&self.tables.catalogue, &profile, Aside::default(), (piece, end), &mut |hit| {
                hits.push(hit)
            });
        }
        hits.sort_by_key(|hit| (hit.start, hit.end));
        let bytes = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let findings = hits.iter().map(|hit| {
            let id = self.tables.catalogue.detector(hit.detector).map_or("", |of| of.id.as_str());
            let action = self.profile.action(hit.detector, self.place);
            let place = (hit.start, hit.end.saturating_sub(hit.start));
            self.finding(
                id.to_owned(),
                action,
                String::new(),
                place,
                position(text.as_bytes(), bytes(hit.start)),
            )
        });
        let findings = findings.collect();
        let replaced = hits.into_iter().filter(|hit| hit.action == Action::Redact);
        let edits = replaced
            .map(|hit| Edit { start: bytes(hit.start), end: bytes(hit.end), with: hit.with })
            .collect();
        Some(Scanned { findings, text: apply(text.as_bytes(), &disjoint(edits)) })
    }

    /// The profile that replaces what this one refuses.
    fn replacing(&self) -> Profile {
        let mut profile = self.profile.clone();
        for of in profile.treatments_mut() {
            for action in [&mut of.request, &mut of.response, &mut of.tools] {
                *action = (*action).min(Action::Redact);
            }
        }
        profile
    }

    fn finding(
        &self,
        detector: String,
        action: Action,
        pointer: String,
        (offset, length): (u64, u64),
        (line, column): (usize, usize),
    ) -> Finding {
        let at = self.tables.catalogue.detectors.binary_search_by(|of| of.id.cmp(&detector)).ok();
        let pack = at.and_then(|at| self.tables.packs.get(at)).cloned().unwrap_or_default();
        let severity = at.and_then(|at| self.tables.catalogue.detectors.get(at));
        let severity = severity.map_or("", |of| of.severity.as_str());
        let action = action.as_str();
        Finding { detector, pack, severity, action, pointer, offset, length, line, column }
    }
}

/// A text in pieces of so many bytes, or a few more where that would cut a character; one for no text.
fn pieces(text: &str, size: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let cut = (size.max(1)..rest.len()).find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(cut);
        pieces.push(piece);
        if after.is_empty() {
            return pieces;
        }
        rest = after;
    }
}

/// Line and column of a byte, both from 1; columns in characters.
fn position(text: &[u8], at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.iter().rev().take_while(|&&byte| byte != b'\n');
    let column = line.filter(|&&byte| byte & 0xc0 != 0x80).count();
    (before.iter().filter(|&&byte| byte == b'\n').count() + 1, column + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text_and_cut_no_character() {
        let text = "a\u{e9}\u{1f511}bc";
        for size in 0..12 {
            let pieces = pieces(text, size);
            assert_eq!(pieces.concat(), text);
            assert!(
                pieces.iter().rev().skip(1).all(|piece| piece.len() >= size.max(1)),
                "{size}: {pieces:?}"
            );
        }
        assert_eq!(pieces("", 4), [""]);
        assert_eq!(position(text.as_bytes(), 7), (1, 4));
        assert_eq!(position(b"a\nb\n\xffc", 5), (3, 2));
    }
}
