//! Looking at one message as a whole.

use super::{Action, Catalogue, Match, Profile};
use crate::json::{Document, Numbers, unescape_loosely};
use crate::reason::Reason;
use crate::record::{Direction, FindingRecord};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Where a text stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// In a request.
    Request,
    /// In a response.
    Response,
    /// In a list of tools, prompts or resources.
    Tools,
}

/// One message under one profile at one place.
#[derive(Debug)]
pub(crate) struct Inspector<'p> {
    catalogue: &'p Catalogue,
    profile: &'p Profile,
    place: Place,
    inspection: Inspection,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    pub(crate) findings: Vec<FindingRecord>,
    /// Changes to the text that was given, sorted and disjoint.
    pub(crate) edits: Vec<Edit>,
    /// Why the message may not go on.
    pub(crate) refusal: Option<Reason>,
}

/// A change to a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Edit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) with: String,
}

impl<'p> Inspector<'p> {
    pub(crate) fn new(catalogue: &'p Catalogue, profile: &'p Profile, place: Place) -> Self {
        Self { catalogue, profile, place, inspection: Inspection::default() }
    }

    /// Every key, string and number of a document.
    pub(crate) fn document(&mut self, document: &Document<'_>) {
        let clean = |key: &str| !self.catalogue.finds_anything(key);
        let (catalogue, profile) = (self.catalogue, self.profile);
        for (at, text) in document.strings() {
            let pointer = document.pointer(at, clean);
            let mut found = Vec::new();
            catalogue.scan(profile, text.as_bytes(), |one| found.push(one));
            if matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['))
                && let Ok(inner) = Document::parse_with(text.as_bytes(), Numbers::Opaque)
            {
                inner.strings().for_each(|(_, text)| {
                    catalogue.scan(profile, text.as_bytes(), |one| found.push(one));
                });
            }
            found
                .into_iter()
                .for_each(|one| note(&mut self.inspection, catalogue, profile, self.place, &pointer, one));
        }
    }

    /// A body that is not JSON.
    pub(crate) fn text(&mut self, body: &[u8]) {
        let mut found = Vec::new();
        self.catalogue.scan(self.profile, body, |one| found.push(one));
        if let Ok(text) = core::str::from_utf8(body)
            && text.contains('\\')
        {
            self.catalogue.scan(self.profile, unescape_loosely(text).as_bytes(), |one| found.push(one));
        }
        let (catalogue, profile) = (self.catalogue, self.profile);
        found.into_iter().for_each(|one| note(&mut self.inspection, catalogue, profile, self.place, "", one));
    }

    pub(crate) fn finish(self) -> Inspection {
        self.inspection
    }
}

fn note(
    inspection: &mut Inspection,
    catalogue: &Catalogue,
    profile: &Profile,
    place: Place,
    pointer: &str,
    found: Match,
) {
    let action = profile.action(found.detector);
    let Some(detector) = catalogue.detector(found.detector) else { return };
    if action == Action::Block && inspection.refusal.is_none() {
        inspection.refusal = Some(Reason::Dlp(detector.id.as_str().into()));
    }
    inspection.findings.push(FindingRecord {
        detector: detector.id.to_string(),
        direction: if place == Place::Request { Direction::Request } else { Direction::Response },
        pointer: pointer.to_string(),
        offset: found.start,
        length: found.end.saturating_sub(found.start),
        action,
    });
}

/// A text with its edits made.
pub(crate) fn apply(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        out.extend_from_slice(text.get(at..edit.start).unwrap_or_default());
        out.extend_from_slice(edit.with.as_bytes());
        at = edit.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}
