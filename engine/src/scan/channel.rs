//! A text that arrives in pieces: what is found in it does not depend on where it was cut.
//!
//! A channel keeps the end of its text for as long as something that began there is not decided, and a little before it, which is
//! what boundaries and leads need. What is decided never changes; so a piece can go on as far as it is decided, and in a text that
//! holds nothing that looks like a match, that is all of it.

use super::encoded::{self, MAX_RUN};
use super::exceptions::{Case, MOST_ASKED};
use super::fold::{Fold, fold_char};
use super::pass::{Memory, Open, Work};
use super::profile::{Action, Place, Profile, Redaction};
use super::redact::replacement;
use super::text::{Looker, MAX_DEPTH};
use super::vault::{RESTORED, Vault};
use super::{Catalogue, DetectorId, Match, Structural};
use crate::json::escape;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// How much of what is decided is kept: as long as the longest lead.
const HISTORY: usize = 256;
/// How much more than that may be there before it is let go of: together they fit in half a kilobyte.
const TRIM: usize = 64;
/// The longest escape that JSON has: a pair of surrogates.
const MAX_ESCAPE: usize = 12;
/// As much open text is looked through again for every piece; more only when it has grown by a quarter, so that the work stays linear.
const SHORT: usize = 64;

/// A finding in a channel. Offsets are bytes of the channel's text since its beginning.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hit {
    /// Whose it is.
    pub detector: DetectorId,
    /// The first byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
    /// What is to be done about it.
    pub action: Action,
    /// What is to stand in its place, where it is to be replaced.
    pub with: String,
}

/// What is known of a text beside its profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aside<'a> {
    /// The tool that it answers for.
    pub tool: Option<&'a str>,
    /// The values whose tokens it may hold.
    pub vault: Option<&'a Vault>,
}

/// A text that arrives in pieces.
#[derive(Clone, Debug)]
pub struct Channel {
    place: Place,
    /// Whether the text is JSON in pieces: then its escapes are resolved before it is looked at.
    json: bool,
    /// The beginning of an escape at the end of the last piece.
    pending: Box<str>,
    /// The length of the text so far.
    length: u64,
    folded: Lane,
    /// The text as it stands, kept only where it is not ASCII.
    plain: Option<Box<Lane>>,
    work: Work,
    /// Whether it was said that the work was too much.
    told: bool,
    /// What asking for exceptions may still cost.
    left: u32,
}

/// One view of the text: the part of it that is kept.
#[derive(Clone, Debug)]
struct Lane {
    raw: bool,
    bytes: Vec<u8>,
    /// Pairs of an offset in `bytes` and one in the channel; between them, byte for byte. The first is for the first byte.
    steps: Vec<(usize, u64)>,
    memory: Memory,
    /// From where on it has to be looked through.
    from: usize,
    /// From where on it is held back, and how much there was when it was last looked through.
    hold: usize,
    seen: usize,
}

impl Hit {
    /// Whether it is no finding: a token, for which its value is put back.
    pub fn restores(&self) -> bool {
        self.detector == RESTORED
    }
}

impl Channel {
    /// A channel without text.
    pub fn new(place: Place, json: bool) -> Self {
        Self {
            place,
            json,
            pending: Box::default(),
            length: 0,
            folded: Lane::new(false),
            plain: None,
            work: Work::for_length(0),
            told: false,
            left: MOST_ASKED,
        }
    }

    /// Takes the next piece of the text, and whether it is the last. Reports what is decided by it; offsets of hits are never before
    /// what the last call returned. Returns the offset up to which all is decided: the text before it can go on, what follows is held,
    /// but for the rest of hits that begin before it.
    pub fn feed(
        &mut self,
        catalogue: &Catalogue,
        profile: &Profile,
        Aside { tool, vault }: Aside<'_>,
        (piece, end): (&str, bool),
        report: &mut dyn FnMut(Hit),
    ) -> u64 {
        self.take(piece, end);
        self.work.grow(piece.len());
        let looker = Looker { catalogue, profile: Some(profile), place: self.place };
        let pending = u64::try_from(self.pending.len()).unwrap_or(0);
        let all = self.length.saturating_sub(pending);
        let mut decided = all;
        for lane in [Some(&mut self.folded), self.plain.as_deref_mut()].into_iter().flatten() {
            let left = &mut self.left;
            let mut hit = |found: Match, encoded: bool, lane: &Lane| {
                if found.detector == RESTORED {
                    report(lane.put_back(found, vault));
                    return;
                }
                let value = lane.bytes.get(found.start..found.end).filter(|_| !encoded);
                let case = Case { detector: found.detector, value, tool };
                if !catalogue.allows(profile, &case, &|_| false, left) {
                    report(lane.hit(looker, profile, found, encoded));
                }
            };
            decided = decided.min(lane.look(looker, vault, (!end, all), &mut self.work, &mut hit));
        }
        self.tell(looker, profile, report);
        decided
    }

    /// Says once that the text asks for more work than its length allows.
    fn tell(&mut self, looker: Looker<'_>, profile: &Profile, report: &mut dyn FnMut(Hit)) {
        if !self.work.exhausted || self.told {
            return;
        }
        self.told = true;
        if let Some(detector) = looker.wants(Structural::ScanBudget) {
            let action = profile.action(detector, self.place);
            // There is nothing that could be replaced.
            let action = if action == Action::Redact { Action::Block } else { action };
            report(Hit { detector, start: self.length, end: self.length, action, with: String::new() });
        }
    }

    /// Resolves escapes, and appends what comes of it to both views.
    fn take(&mut self, piece: &str, end: bool) {
        let joined;
        let text = if self.pending.is_empty() {
            piece
        } else {
            joined = [&*core::mem::take(&mut self.pending), piece].concat();
            &joined
        };
        let before =
            self.length.saturating_sub(u64::try_from(text.len().saturating_sub(piece.len())).unwrap_or(0));
        self.length = before.saturating_add(u64::try_from(text.len()).unwrap_or(0));
        let plain = !text.is_ascii()
            || (self.json && text.contains('\\'))
            || self.plain.as_ref().is_some_and(|lane| lane.is_open());
        if !plain {
            self.plain = None;
        }
        let (mut at, mut offset) = (0_usize, before);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((character, written)) = self.next(rest, end) else {
                self.pending = rest.into();
                break;
            };
            let written_u64 = u64::try_from(written).unwrap_or(1);
            self.folded.push(character, offset, written_u64);
            if plain {
                let lane = self.plain.get_or_insert_with(|| Box::new(Lane::new(true)));
                lane.push(character, offset, written_u64);
            }
            at = at.saturating_add(written);
            offset = offset.saturating_add(written_u64);
        }
    }

    /// The next character, and how long it is written; none where it takes more text to tell.
    fn next(&self, rest: &str, end: bool) -> Option<(char, usize)> {
        let first = rest.chars().next()?;
        if first != '\\' || !self.json {
            return Some((first, first.len_utf8()));
        }
        match escape(rest.as_bytes()) {
            Ok(escape) => Some(escape),
            Err(_) if !end && rest.len() < MAX_ESCAPE && could_be_escape(rest) => None,
            Err(_) => Some((first, 1)),
        }
    }
}

#[cfg(test)]
impl Channel {
    /// The bytes that it has on the heap.
    pub(crate) fn heap(&self) -> usize {
        self.pending.len()
            + self.folded.heap()
            + self.plain.as_ref().map_or(0, |lane| size_of::<Lane>() + lane.heap())
    }
}

#[cfg(test)]
impl Lane {
    fn heap(&self) -> usize {
        self.bytes.capacity() + self.steps.capacity() * size_of::<(usize, u64)>() + self.memory.heap()
    }
}

/// Whether more text could make an escape of what begins with a backslash.
fn could_be_escape(rest: &str) -> bool {
    let unit = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match rest.strip_prefix("\\u") {
        None => rest == "\\",
        Some(digits) => match digits.split_at_checked(4) {
            None => unit(digits),
            Some((high, low)) => {
                let low_begins = "\\u".starts_with(low) || low.strip_prefix("\\u").is_some_and(unit);
                unit(high) && high.to_ascii_lowercase().starts_with('d') && low_begins
            }
        },
    }
}

impl Lane {
    fn new(raw: bool) -> Self {
        Self {
            raw,
            bytes: Vec::new(),
            steps: Vec::new(),
            memory: Memory::default(),
            from: 0,
            hold: 0,
            seen: 0,
        }
    }

    fn is_open(&self) -> bool {
        self.from < self.bytes.len()
    }

    /// Appends a character that is written at an offset of the channel, so many bytes long.
    fn push(&mut self, character: char, offset: u64, written: u64) {
        let at = self.bytes.len();
        self.step(at, offset);
        let folded = if self.raw { Fold::Keep } else { fold_char(character) };
        match folded {
            Fold::Drop => {}
            Fold::Ascii(byte) => self.bytes.push(byte),
            Fold::Keep => self.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        self.step(self.bytes.len(), offset.saturating_add(written));
    }

    /// Notes where a byte stands, unless that follows from what is noted.
    fn step(&mut self, at: usize, offset: u64) {
        if self.steps.is_empty() || self.place(at) != offset {
            if self.steps.last().is_some_and(|&(last, _)| last == at) {
                self.steps.pop();
            }
            self.steps.push((at, offset));
        }
    }

    /// Where a byte stands in the channel.
    fn place(&self, at: usize) -> u64 {
        let next = self.steps.partition_point(|&(from, _)| from <= at);
        let step = next.checked_sub(1).and_then(|index| self.steps.get(index)).copied();
        let (from, offset) = step.unwrap_or_default();
        offset.saturating_add(u64::try_from(at.saturating_sub(from)).unwrap_or(u64::MAX))
    }

    fn hit(&self, looker: Looker<'_>, profile: &Profile, found: Match, encoded: bool) -> Hit {
        let treatment = profile.treatments().get(usize::from(found.detector.0)).copied().unwrap_or_default();
        let redaction = if encoded { Redaction::Label } else { treatment.redaction };
        let id = looker.catalogue.detector(found.detector).map(|of| of.id.as_str()).unwrap_or_default();
        let action = profile.action(found.detector, looker.place);
        let value = self.bytes.get(found.start..found.end).unwrap_or_default();
        let with = if action == Action::Redact {
            replacement(redaction, id, value, &looker.catalogue.key)
        } else {
            String::new()
        };
        Hit {
            detector: found.detector,
            start: self.place(found.start),
            end: self.place(found.end),
            action,
            with,
        }
    }

    /// Looks through what is new; up to where in the channel this view is decided. `all` is where the channel ends.
    fn look(
        &mut self,
        looker: Looker<'_>,
        vault: Option<&Vault>,
        (more, all): (bool, u64),
        work: &mut Work,
        hit: &mut dyn FnMut(Match, bool, &Self),
    ) -> u64 {
        let open = self.bytes.len().saturating_sub(self.from);
        let new = self.bytes.len().saturating_sub(self.seen);
        let little = open > SHORT && new.saturating_mul(4) < open;
        if !(more && little) {
            let mut memory = core::mem::take(&mut self.memory);
            let Open { mut again, mut hold } = self.run(looker, more, &mut memory, work, hit);
            if let (Some(vault), false) = (vault, self.raw) {
                let begun = self.tokens(vault, &mut memory, hit);
                if more {
                    (again, hold) = (again.min(begun), hold.min(begun));
                }
            }
            self.memory = memory;
            (self.from, self.hold, self.seen) = (again, hold, self.bytes.len());
            self.trim();
        }
        if self.hold >= self.bytes.len() { all } else { self.place(self.hold) }
    }

    /// Reports the tokens in what is new; where it ends in what could become one.
    fn tokens(&self, vault: &Vault, memory: &mut Memory, hit: &mut dyn FnMut(Match, bool, &Self)) -> usize {
        vault.find(&self.bytes, self.from, &mut |start, end, _| {
            let found = Match { detector: RESTORED, start, end };
            if !memory.knows(found) {
                memory.note(found);
                hit(found, false, self);
            }
        })
    }

    /// The value for a token.
    fn put_back(&self, found: Match, vault: Option<&Vault>) -> Hit {
        let token = self.bytes.get(found.start..found.end).unwrap_or_default();
        let value = vault.and_then(|vault| vault.value(token)).unwrap_or_default();
        let (start, end) = (self.place(found.start), self.place(found.end));
        Hit { detector: RESTORED, start, end, action: Action::Redact, with: value.into() }
    }

    fn run(
        &self,
        looker: Looker<'_>,
        more: bool,
        memory: &mut Memory,
        work: &mut Work,
        hit: &mut dyn FnMut(Match, bool, &Self),
    ) -> Open {
        let text = &self.bytes;
        let pass = looker.pass(self.raw);
        let mut open = pass.run(text, self.from, more, memory, work, &mut |found| hit(found, false, self));
        if self.raw {
            return open;
        }
        let mut decoded = Vec::new();
        encoded::escaped(text, self.from, |stretch| {
            if more && stretch.end == text.len() && stretch.end.saturating_sub(stretch.first) < MAX_RUN {
                open.again = open.again.min(stretch.start.max(self.from));
                open.hold = open.hold.min(stretch.first);
            } else {
                decoded.extend(encoded::unescape(text, stretch).map(|of| (of, stretch.first)));
            }
        });
        encoded::runs(text, self.from, more, |run| {
            if more && run.end == text.len() && run.end.saturating_sub(run.start) < MAX_RUN {
                open.again = open.again.min(run.start);
                open.hold = open.hold.min(run.odd_from);
            } else {
                encoded::decode_run(text, run, |of| decoded.push((of, run.odd_from)));
            }
        });
        for (of, first) in &decoded {
            // What stands before the first sign of an encoding may have gone already, wherever the text was cut. What ends before that is not
            // encoded; what ends at it may count for what follows, as a password does for its `@`.
            let mut report = |found: Match| {
                if found.end >= *first {
                    hit(Match { start: found.start.max(*first), ..found }, true, self);
                }
            };
            looker.decoded(of, MAX_DEPTH, memory, work, &mut report);
        }
        open
    }

    /// Lets go of what is decided and too far back to matter.
    fn trim(&mut self) {
        let gone = self.from.min(self.hold).saturating_sub(HISTORY);
        if gone < TRIM {
            return;
        }
        let first = self.place(gone);
        self.bytes.drain(..gone);
        self.steps.retain(|&(at, _)| at > gone);
        for (at, _) in &mut self.steps {
            *at = at.saturating_sub(gone);
        }
        self.steps.insert(0, (0, first));
        self.memory.shift(gone);
        self.from = self.from.saturating_sub(gone);
        self.hold = self.hold.saturating_sub(gone);
        self.seen = self.seen.saturating_sub(gone);
    }
}
