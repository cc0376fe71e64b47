//! Inspecting a message: every text in it, what is done about what is found, and the message as it may go on.

mod bodies;

use super::edit::{Edit, disjoint};
use super::exceptions::{Case, MOST_ASKED};
use super::fold::fold;
use super::form::raw_field;
use super::keys;
use super::pass::Work;
use super::profile::{Action, Place, Profile, Redaction};
use super::redact::{replacement, zeros};
use super::text::{Found, Looker, MAX_DEPTH};
use super::vault::{RESTORED, Vault};
use super::{Catalogue, DetectorId, Finder, Match, Structural};
use crate::json::{Document, NodeIndex, Numbers, Role, Scalar, Value, raw_range};
use crate::reason::Reason;
use crate::record::{Direction, FindingRecord, Findings};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use bodies::PartOfHead;

/// How deep JSON in the strings of JSON is read.
const MAX_NESTING: u8 = 2;

/// A text longer than this is taken for a document rather than for an argument, in bytes.
const LONG_TEXT: usize = 4096;

/// What came of an inspection.
#[derive(Debug, Default)]
pub struct Inspection {
    /// What was found.
    pub findings: Findings,
    /// How the message has to be changed, in order and apart from each other.
    pub edits: Vec<Edit>,
    /// Why the message must not go on.
    pub refusal: Option<Reason>,
    /// The values that tokens were put in the place of.
    pub(crate) vault: Option<Vault>,
}

/// Inspects one message under one profile.
#[derive(Debug)]
pub struct Inspector<'p> {
    looker: Looker<'p>,
    profile: &'p Profile,
    work: Option<Work>,
    outcome: Inspection,
    /// The tool that the message calls, or answers for.
    tool: Option<&'p str>,
    /// What asking for exceptions may still cost.
    left: u32,
    /// The values whose tokens are put back.
    restores: Option<&'p Vault>,
    /// How many keys were replaced: two in one object may not become the same.
    keys: usize,
}

/// Where a text stands in its message.
#[derive(Clone, Copy)]
enum Spot<'d> {
    /// It is the message, or a part of it that begins at a byte.
    Plain(usize),
    /// It is a string or a number of a document.
    Scalar(&'d Document<'d>, &'d Scalar<'d>),
    /// It is a value of a form, as it is written, with its offset.
    Field(usize, &'d str),
    /// It is a part of a head of this name, where nothing is replaced: what asks for that gets this instead.
    Fixed(PartOfHead<'d>, Action),
}

impl<'p> Inspector<'p> {
    /// Begins an inspection.
    pub fn new(catalogue: &'p Catalogue, profile: &'p Profile, place: Place) -> Self {
        let looker = Looker { catalogue, profile: Some(profile), place };
        let outcome = Inspection::default();
        Self { looker, profile, work: None, outcome, tool: None, left: MOST_ASKED, restores: None, keys: 0 }
    }

    /// Says which tool the message calls, or answers for.
    #[must_use]
    pub fn for_tool(self, tool: Option<&'p str>) -> Self {
        Self { tool, ..self }
    }

    /// Hands it the vault that values are kept in where policy wants tokens for them.
    pub(crate) fn keep_in(&mut self, vault: Vault) {
        self.outcome.vault = Some(vault);
    }

    /// Has tokens replaced by their values.
    pub(crate) fn restoring(self, vault: Option<&'p Vault>) -> Self {
        Self { restores: vault, ..self }
    }

    /// Ends it.
    pub fn finish(mut self) -> Inspection {
        let work = self.work.unwrap_or_else(|| Work::for_length(0));
        for (which, happened) in
            [(Structural::ScanBudget, work.exhausted), (Structural::ScanTruncated, work.truncated)]
        {
            if let Some(detector) = self.looker.wants(which).filter(|_| happened) {
                let found = Match { detector, start: 0, end: 0 };
                // There is nothing to replace, so what asks for that asks for a refusal.
                self.note(found, String::new(), None, Some(Action::Block), false);
            }
        }
        self.outcome.edits = disjoint(core::mem::take(&mut self.outcome.edits));
        self.outcome
    }

    /// Inspects a document: every key, string and number, and the documents that strings are.
    pub fn document(&mut self, document: &Document<'_>) {
        self.document_without(document, &[]);
    }

    /// Inspects a document but for some of its values.
    pub(crate) fn document_without(&mut self, document: &Document<'_>, without: &[NodeIndex]) {
        self.allow_work(document.text().len());
        let mut given: Vec<u8> = Vec::new();
        let mut key = String::new();
        for scalar in document.scalars().filter(|scalar| !without.contains(&scalar.at)) {
            let spot = Spot::Scalar(document, &scalar);
            if scalar.role == Role::Key {
                given = self.look(scalar.text.as_bytes(), &[], spot);
                self.operator_key(&scalar, spot);
                key.clear();
                key.push_str(&scalar.text);
                continue;
            }
            self.look(scalar.text.as_bytes(), &given, spot);
            if scalar.role == Role::Text {
                self.secret_field(&key, &scalar, spot);
                self.nested(&scalar.text, MAX_NESTING, &mut |edges: (usize, usize)| edges, spot);
            }
        }
    }

    /// Notes what is odd about a value of a document as a whole; what is to be done about it.
    pub(crate) fn odd(&mut self, document: &Document<'_>, value: Value<'_>, which: Structural) -> Action {
        let Some(detector) = self.looker.wants(which) else { return Action::Off };
        let place = value.span();
        let found = Match { detector, start: 0, end: place.1.saturating_sub(place.0) };
        let pointer = self.pointer(document, value.node());
        self.note(found, pointer, Some(place), None, false)
    }

    fn allow_work(&mut self, length: usize) {
        self.work.get_or_insert_with(|| Work::for_length(length));
    }

    /// The same for one of several texts: each adds what it may take.
    fn allow_more_work(&mut self, length: usize) {
        self.work.get_or_insert_with(|| Work::for_length(0)).grow(length);
    }

    fn look(&mut self, text: &[u8], given: &[u8], spot: Spot<'_>) -> Vec<u8> {
        if given.is_empty() && self.looker.catalogue.is_silent(text) {
            return Vec::new();
        }
        let mut work = self.work.take().unwrap_or_else(|| Work::for_length(text.len()));
        let looker = self.looker;
        let groups =
            looker.text(text, given, MAX_DEPTH, &mut work, &mut |found| self.found(found, text, spot));
        self.work = Some(work);
        self.restore(text, spot);
        groups
    }

    /// Puts values back where their tokens stand.
    fn restore(&mut self, text: &[u8], spot: Spot<'_>) {
        if let Some(vault) = self.restores.filter(|_| spot.holds_text()) {
            vault.find(text, 0, &mut |start, end, value| {
                let (start, end) = spot.place(Match { detector: RESTORED, start, end });
                self.outcome.edits.push(Edit { start, end, with: value.into() });
            });
        }
    }

    /// Reads a string that is a document itself, however deep, and looks at its strings: their escapes are resolved, and their keys
    /// are context.
    fn nested(
        &mut self,
        text: &str,
        depth: u8,
        place: &mut dyn FnMut((usize, usize)) -> (usize, usize),
        spot: Spot<'_>,
    ) {
        if depth == 0 || !matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'[')) {
            return;
        }
        let Ok(document) = Document::parse_with(text.as_bytes(), Numbers::Opaque) else { return };
        let mut work = self.work.take().unwrap_or_else(|| Work::for_length(text.len()));
        let looker = self.looker;
        let mut given: Vec<u8> = Vec::new();
        for scalar in document.scalars() {
            // What stands there without escapes and without a key that matters was seen as a part of the string.
            let mut outward = |(start, end): (usize, usize)| {
                let (start, end) = raw_range(scalar.raw, start, end);
                place((scalar.start.saturating_add(start), scalar.start.saturating_add(end)))
            };
            let groups = looker.text(scalar.text.as_bytes(), &given, 1, &mut work, &mut |found| {
                let (start, end) = outward((found.found.start, found.found.end));
                self.found(
                    Found { found: Match { start, end, ..found.found }, ..found },
                    text.as_bytes(),
                    spot,
                );
            });
            if scalar.role == Role::Key {
                given = groups;
            } else if scalar.role == Role::Text {
                let before = self.work.replace(work);
                self.nested(&scalar.text, depth.saturating_sub(1), &mut outward, spot);
                work = self.work.take().or(before).unwrap_or(work);
            }
        }
        self.work = Some(work);
    }

    fn operator_key(&mut self, scalar: &Scalar<'_>, spot: Spot<'_>) {
        if keys::is_operator(&scalar.text) {
            self.structural(Structural::OperatorKey, scalar, spot);
        }
    }

    fn secret_field(&mut self, key: &str, scalar: &Scalar<'_>, spot: Spot<'_>) {
        if keys::names_secret(key) && keys::could_be_secret(&scalar.text) {
            self.structural(Structural::SecretField, scalar, spot);
        }
    }

    fn structural(&mut self, which: Structural, scalar: &Scalar<'_>, spot: Spot<'_>) {
        if let Some(detector) = self.looker.wants(which) {
            let found = Match { detector, start: 0, end: scalar.text.len() };
            self.found(Found { found, encoded: false }, scalar.text.as_bytes(), spot);
        }
    }

    /// Notes a finding, and what it asks for.
    fn found(&mut self, found: Found, text: &[u8], spot: Spot<'_>) {
        let Found { found, encoded } = found;
        if matches!(spot, Spot::Fixed(PartOfHead::Expected(_), _))
            && !self.looker.catalogue.counts_anywhere(found.detector)
        {
            return;
        }
        if !self.profile.allow.is_empty()
            && self.is_allowed(found, text.get(found.start..found.end).filter(|_| !encoded), spot)
        {
            return;
        }
        let pointer = match spot {
            Spot::Scalar(document, scalar) => self.pointer(document, scalar.at),
            Spot::Plain(_) | Spot::Field(..) => String::new(),
            Spot::Fixed(name, _) => self.part(name),
        };
        let base = match spot {
            Spot::Plain(at) | Spot::Field(at, _) => at,
            Spot::Scalar(..) | Spot::Fixed(..) => 0,
        };
        let again = |known: &FindingRecord| {
            let same = known.pointer == pointer && self.id(found.detector) == known.detector;
            let start = base.saturating_add(found.start);
            let end = base.saturating_add(found.end);
            same && start < known.offset.saturating_add(known.length) && known.offset < end
        };
        if self.outcome.findings.iter().any(again) {
            return;
        }
        let record =
            Match { start: base.saturating_add(found.start), end: base.saturating_add(found.end), ..found };
        let instead = match spot {
            Spot::Fixed(_, instead) => Some(instead),
            Spot::Plain(_) | Spot::Field(..) | Spot::Scalar(..) => None,
        };
        let long = text.len() > LONG_TEXT;
        let place = spot.place(found);
        if self.note(record, pointer, Some(place), instead, long) == Action::Redact {
            let edit = self.edit(found, encoded, text, spot, place);
            self.outcome.edits.push(edit);
        }
    }

    /// Whether the profile makes an exception of something that was found.
    fn is_allowed(&mut self, found: Match, value: Option<&[u8]>, spot: Spot<'_>) -> bool {
        let catalogue = self.looker.catalogue;
        let value = value.map(|value| as_compared(catalogue, found.detector, value));
        let case = Case { detector: found.detector, value: value.as_deref(), tool: self.tool };
        let at = |steps: &[String]| match spot {
            Spot::Scalar(document, scalar) => scalar.role != Role::Key && document.is_at(scalar.at, steps),
            Spot::Plain(_) | Spot::Field(..) | Spot::Fixed(..) => false,
        };
        catalogue.allows(self.profile, &case, &at, &mut self.left)
    }

    /// Where a node of a document is, without what must not be recorded. What no record has room for is not looked for: that would take
    /// a walk for each of any number of findings.
    fn pointer(&self, document: &Document<'_>, at: NodeIndex) -> String {
        if !self.outcome.findings.has_room() {
            return String::new();
        }
        document.pointer(at, |key| !self.looker.catalogue.finds_anything(key))
    }

    /// A part of a head for the record. The name of a header is the sender's: in small letters it may be a credential in capitals.
    fn part(&self, part: PartOfHead<'_>) -> String {
        let (PartOfHead::Header(name) | PartOfHead::Expected(name)) = part else { return part.pointer() };
        let name = String::from_utf8_lossy(name);
        let hides = |name: &str| self.looker.catalogue.finds_anything(name);
        if hides(&name) || hides(&name.to_ascii_uppercase()) { "#header/*".into() } else { part.pointer() }
    }

    /// What is done about a finding. What attacks look like is also what documents quote, so in a long text it is only noted.
    fn action(&self, detector: DetectorId, long: bool) -> Action {
        let action = self.profile.action(detector, self.looker.place);
        let quoted = long
            && self
                .looker
                .catalogue
                .detector(detector)
                .is_some_and(|of| of.threat && matches!(of.finder, Finder::Pattern(_)));
        if quoted && self.looker.place == Place::Request { action.min(Action::Alert) } else { action }
    }

    fn id(&self, detector: DetectorId) -> &str {
        self.looker.catalogue.detector(detector).map(|of| of.id.as_str()).unwrap_or_default()
    }

    /// `place` is where it stands in the message, if anywhere; where nothing can be replaced, what asks for that gets `instead`.
    fn note(
        &mut self,
        found: Match,
        pointer: String,
        place: Option<(usize, usize)>,
        instead: Option<Action>,
        long: bool,
    ) -> Action {
        let action = match self.action(found.detector, long) {
            Action::Redact => instead.unwrap_or(Action::Redact),
            action => action,
        };
        if action == Action::Block && self.outcome.refusal.is_none() {
            self.outcome.refusal = Some(self.looker.catalogue.reason(found.detector));
        }
        self.outcome.findings.add(FindingRecord {
            detector: self.id(found.detector).into(),
            direction: match self.looker.place {
                Place::Request => Direction::Request,
                Place::Response | Place::Tools => Direction::Response,
            },
            pointer,
            offset: found.start,
            length: found.end.saturating_sub(found.start),
            action,
            place: place.unwrap_or_default(),
        });
        action
    }

    fn edit(
        &mut self,
        found: Match,
        encoded: bool,
        text: &[u8],
        spot: Spot<'_>,
        (start, end): (usize, usize),
    ) -> Edit {
        let treatment =
            self.profile.treatments().get(usize::from(found.detector.0)).copied().unwrap_or_default();
        // A mask of an encoding would show parts of what is encoded.
        let redaction = if encoded { Redaction::Label } else { treatment.redaction };
        let id = self.looker.catalogue.detector(found.detector).map(|of| of.id.as_str()).unwrap_or_default();
        let value = text.get(found.start..found.end).unwrap_or_default();
        let catalogue = self.looker.catalogue;
        let with = match redaction {
            Redaction::Hash => {
                let value = as_compared(catalogue, found.detector, value);
                replacement(redaction, id, &value, &catalogue.key)
            }
            Redaction::Token => {
                let kept = self.outcome.vault.as_mut().filter(|_| spot.holds_text());
                let token = kept.and_then(|vault| vault.token(id, value, &catalogue.key));
                token.unwrap_or_else(|| replacement(Redaction::Label, id, value, &[]))
            }
            _ => replacement(redaction, id, value, &[]),
        };
        let with = match spot {
            Spot::Plain(_) if core::str::from_utf8(text).is_ok() => with,
            Spot::Plain(_) | Spot::Fixed(..) => "*".repeat(value.len()),
            Spot::Field(..) => with.replace('[', "%5B").replace(']', "%5D").replace(':', "%3A"),
            Spot::Scalar(_, scalar) => match scalar.role {
                Role::Number => {
                    let offset = |at: usize| at.saturating_sub(scalar.start);
                    zeros(redaction, scalar.raw, offset(start), offset(end))
                }
                Role::Text => with,
                Role::Key => {
                    self.keys = self.keys.saturating_add(1);
                    alloc::format!("{with}#{}", self.keys)
                }
            },
        };
        Edit { start, end, with }
    }
}

impl Spot<'_> {
    /// Whether what stands there can be any text.
    fn holds_text(self) -> bool {
        match self {
            Spot::Plain(_) | Spot::Field(..) => true,
            Spot::Scalar(_, scalar) => scalar.role == Role::Text,
            Spot::Fixed(..) => false,
        }
    }

    /// The bytes of the message that something found in the text stands in.
    fn place(self, found: Match) -> (usize, usize) {
        let (base, (start, end)) = match self {
            Spot::Plain(at) => (at, (found.start, found.end)),
            Spot::Fixed(..) => (0, (found.start, found.end)),
            Spot::Field(at, raw) => (at, raw_field(raw, found.start, found.end)),
            Spot::Scalar(_, scalar) => (scalar.start, raw_range(scalar.raw, found.start, found.end)),
        };
        (base.saturating_add(start), base.saturating_add(end))
    }
}

/// A value as a detector compared it, so that it is the same however it is written: folded, for most.
fn as_compared<'v>(catalogue: &Catalogue, detector: DetectorId, value: &'v [u8]) -> Cow<'v, [u8]> {
    let raw =
        catalogue.detector(detector).is_some_and(|of| matches!(&of.finder, Finder::Pattern(of) if of.raw));
    match core::str::from_utf8(value) {
        Ok(text) if !raw && !text.is_ascii() => Cow::Owned(fold(text).bytes().to_vec()),
        _ => Cow::Borrowed(value),
    }
}
