//! One pass over one view of a text: triggers, then at each place where a match could begin, the detector's pattern and its checks.
//!
//! A text may come in pieces. What the end of a piece leaves open is not decided: the pass says from where on it has to be run
//! again, and from where on the text must not be let go, because it could be the beginning of something that is to be replaced.

use super::detector::{DetectorId, Finder, Pattern};
use super::dfa::Reading;
use super::digits::Digits;
use super::entropy::entropy;
use super::hosts::Announced;
use super::placeholder::is_placeholder;
use super::profile::{Action, Place, Profile};
use super::triggers::{Meaning, Trigger};
use super::{Catalogue, MAX_MATCH_LEN};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

/// Something that a detector found: its value, in bytes of the text that was looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Match {
    /// Which detector.
    pub detector: DetectorId,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// Who looks, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass<'p> {
    pub catalogue: &'p Catalogue,
    /// What is done about findings; without one every detector runs.
    pub profile: Option<&'p Profile>,
    pub place: Place,
    /// Whether this is the text as it stands, rather than folded.
    pub raw: bool,
}

/// What a pass over a part of a text leaves for the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// For each group of context words, one more than the byte after the last one that was seen, and the one before; 0 where none was.
    contexts: Vec<[u32; 2]>,
    /// How much of the text has been let go of. Places in `contexts` count it.
    gone: usize,
    /// What was found and could be come upon again.
    matched: Vec<Match>,
    /// The groups whose words stand before the text, however far.
    given: Box<[u8]>,
    /// Whether something in the text is written with escapes.
    pub escapes: bool,
    /// Where hosts could stand in it.
    pub hosts: Option<Box<Announced>>,
}

/// How much work may still be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Bytes that patterns may still look at.
    verify: u32,
    /// Bytes that may still be decoded.
    decode: u32,
    /// Whether something was left undone for want of either.
    pub exhausted: bool,
    pub truncated: bool,
}

/// Where a text is open. Both are its length where nothing is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Open {
    /// From here on the pass has to be run again when there is more.
    pub again: usize,
    /// From here on the text is to be held back.
    pub hold: usize,
}

/// A place where a match of a detector could begin.
struct Candidate<'p> {
    detector: DetectorId,
    pattern: &'p Pattern,
    action: Action,
    start: usize,
    /// The byte after the anchor: a value begins there or later.
    behind: usize,
}

impl Work {
    /// What a text of a length may take.
    pub(super) fn for_length(length: usize) -> Self {
        Self {
            verify: small(length).saturating_mul(16).saturating_add(0x1_0000),
            decode: small(length).saturating_mul(2).min(0x1_0000),
            exhausted: false,
            truncated: false,
        }
    }

    /// Allows what a longer text may take.
    pub(super) fn grow(&mut self, by: usize) {
        self.verify = self.verify.saturating_add(small(by).saturating_mul(16));
        self.decode = self.decode.saturating_add(small(by).saturating_mul(2));
    }

    pub(super) fn spend(&mut self, bytes: usize) -> bool {
        match self.verify.checked_sub(small(bytes)) {
            Some(left) => self.verify = left,
            None => self.exhausted = true,
        }
        !self.exhausted
    }

    /// Pays for so many decoded bytes; false where that is too much.
    pub(super) fn spend_decoded(&mut self, bytes: usize) -> bool {
        let left = self.decode.checked_sub(small(bytes));
        self.decode = left.unwrap_or(self.decode);
        self.truncated |= left.is_none();
        left.is_some()
    }
}

/// A length; the longest there is, for those beyond.
fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
impl Memory {
    /// The bytes that it has on the heap.
    pub(super) fn heap(&self) -> usize {
        self.contexts.capacity() * size_of::<[u32; 2]>() + self.matched.capacity() * size_of::<Match>()
    }
}

impl Memory {
    /// A memory of context words only.
    pub(super) fn given(groups: &[u8]) -> Self {
        Self { given: groups.into(), ..Self::default() }
    }

    /// The groups of context words that were seen.
    pub(super) fn groups(&self) -> Vec<u8> {
        (0..=u8::MAX).zip(&self.contexts).filter(|(_, [last, _])| *last > 0).map(|(group, _)| group).collect()
    }

    /// Forgets what lies before a byte, and counts from there.
    pub(super) fn shift(&mut self, by: usize) {
        self.matched.retain(|found| found.end > by);
        for found in &mut self.matched {
            found.start = found.start.saturating_sub(by);
            found.end = found.end.saturating_sub(by);
        }
        self.gone = self.gone.saturating_add(by);
    }

    /// Whether the same was found before, or something of the same detector around it.
    pub(super) fn knows(&self, found: Match) -> bool {
        self.matched.iter().any(|known| {
            known.detector == found.detector && found.start < known.end && known.start < found.end
        })
    }

    pub(super) fn note(&mut self, found: Match) {
        self.matched.push(found);
    }

    fn is_within_match(&self, detector: DetectorId, start: usize) -> bool {
        self.matched
            .iter()
            .any(|known| known.detector == detector && (known.start..known.end).contains(&start))
    }

    fn note_context(&mut self, group: u8, end: usize) {
        let at = usize::from(group);
        if self.contexts.len() <= at {
            self.contexts.resize(at.saturating_add(1), [0; 2]);
        }
        let seen = u32::try_from(self.gone.saturating_add(end).saturating_add(1)).unwrap_or(u32::MAX);
        if let Some([last, before]) = self.contexts.get_mut(at) {
            (*last, *before) = (seen, *last);
        }
    }

    fn has_context(&self, (group, within): (u8, u16), start: usize) -> bool {
        let start = self.gone.saturating_add(start);
        let near = |seen: &u32| {
            let seen = usize::try_from(*seen).unwrap_or(usize::MAX);
            let gap = seen.checked_sub(1).and_then(|end| start.checked_sub(end));
            gap.is_some_and(|gap| gap <= usize::from(within))
        };
        self.given.contains(&group)
            || self.contexts.get(usize::from(group)).is_some_and(|seen| seen.iter().any(near))
    }
}

impl<'p> Pass<'p> {
    /// Looks at `text` from byte `from` on; what lies before it is context. `more`: whether the text may go on.
    pub(super) fn run(
        &self,
        text: &[u8],
        from: usize,
        more: bool,
        memory: &mut Memory,
        work: &mut Work,
        report: &mut dyn FnMut(Match),
    ) -> Open {
        let mut open = Open { again: text.len(), hold: text.len() };
        // What is open is run again, and comes upon the words in it again.
        let known = if more { memory.contexts.clone() } else { Vec::new() };
        let mut words: Vec<(u8, usize, usize)> = Vec::new();
        let idle = self.profile.map_or(0, |profile| profile.idle(self.place));
        let ready = Cell::new(self.ready(memory) & !idle);
        let mut found = |trigger: Trigger, start: usize, end: usize| match trigger {
            Trigger::Word(Meaning::Anchor(detector)) => {
                let candidate =
                    self.candidate(text, detector, start).map(|of| Candidate { behind: end, ..of });
                self.look(text, candidate, more, memory, work, &mut open, from, report);
            }
            Trigger::Digits(detectors) => {
                for detector in self.shaped(detectors) {
                    let candidate = self.candidate(text, detector, start);
                    self.look(text, candidate, more, memory, work, &mut open, from, report);
                }
            }
            Trigger::Word(Meaning::Context(group)) if is_word(text, start, end, more) => {
                memory.note_context(group, end);
                ready.set(ready.get() | (self.catalogue.beginnings.with(group) & !idle));
                if more {
                    words.push((group, start, end));
                }
            }
            Trigger::Word(Meaning::Context(_)) => {}
            Trigger::Word(Meaning::Escape) => memory.escapes = true,
            // They are looked for in whole texts.
            Trigger::Word(Meaning::Url | Meaning::Address) if more => {}
            Trigger::Word(Meaning::Url) => memory.hosts.get_or_insert_default().urls.note(start),
            Trigger::Word(Meaning::Address) => memory.hosts.get_or_insert_default().words.note(start),
        };
        if self.raw && self.catalogue.raw_beyond_ascii {
            self.catalogue.triggers.run_beyond_ascii(text, from, &mut found);
        } else {
            self.catalogue.triggers.run(text, from, self.digits(more, &ready), &mut found);
        }
        self.look_up(text, from, more, memory, work, &mut open, report);
        if more {
            self.leave_open(text, from, memory, &mut open);
            memory.contexts = known;
            for (group, _, end) in words.into_iter().filter(|&(_, start, _)| start < open.again) {
                memory.note_context(group, end);
            }
        }
        open
    }

    /// The candidate of a detector whose trigger begins at a byte; none if the detector is off, or not for this view.
    fn candidate(&self, text: &[u8], detector: DetectorId, trigger: usize) -> Option<Candidate<'p>> {
        let action = self.action(detector);
        let pattern = self.pattern(detector).filter(|_| action != Action::Off)?;
        let start = match pattern.lead {
            Some((set, most)) => {
                let set = self.catalogue.set(set);
                let before = text.get(..trigger).unwrap_or_default().iter().rev().take(usize::from(most));
                trigger.saturating_sub(before.take_while(|&&byte| set.contains(byte)).count())
            }
            None => trigger,
        };
        Some(Candidate { detector, pattern, action, start, behind: trigger })
    }

    pub(super) fn action(&self, detector: DetectorId) -> Action {
        self.profile.map_or(Action::Alert, |profile| profile.action(detector, self.place))
    }

    fn pattern(&self, detector: DetectorId) -> Option<&'p Pattern> {
        match &self.catalogue.detector(detector)?.finder {
            Finder::Pattern(pattern) if pattern.raw == self.raw => Some(pattern),
            Finder::Pattern(_) | Finder::Structural(_) | Finder::Values(_) => None,
        }
    }

    /// The detectors that digits trigger and that ask for no context words, or for some that were seen: a bit each.
    fn ready(&self, memory: &Memory) -> u128 {
        let seen = (0..=u8::MAX).zip(&memory.contexts).filter(|(_, [last, _])| *last > 0);
        let groups = seen.map(|(group, _)| group).chain(memory.given.iter().copied());
        let digits = &self.catalogue.beginnings;
        groups.fold(digits.alone, |all, group| all | digits.with(group))
    }

    /// What runs of digits are asked about; nothing if no detector is triggered by them.
    fn digits<'r>(&'r self, more: bool, ready: &'r Cell<u128>) -> Option<Digits<'r>> {
        let Catalogue { beginnings, shapes, digits, .. } = self.catalogue;
        (!digits.is_empty()).then_some(Digits { beginnings, shapes, more, ready })
    }

    /// Detectors that runs of digits trigger, of which there is a bit each.
    fn shaped(&self, mut mask: u128) -> impl Iterator<Item = DetectorId> + use<'p> {
        let detectors = &self.catalogue.digits;
        core::iter::from_fn(move || {
            let at = usize::try_from(mask.trailing_zeros()).ok().filter(|_| mask != 0)?;
            mask &= mask.wrapping_sub(1);
            detectors.get(at).copied()
        })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the pass's state is borrowed by the caller's closure piece by piece"
    )]
    fn look(
        &self,
        text: &[u8],
        candidate: Option<Candidate<'_>>,
        more: bool,
        memory: &mut Memory,
        work: &mut Work,
        open: &mut Open,
        from: usize,
        report: &mut dyn FnMut(Match),
    ) {
        let Some(Candidate { detector, pattern, action, start, behind }) = candidate else { return };
        let lacks = pattern.context.is_some_and(|context| !memory.has_context(context, start));
        let known = start < from || lacks || memory.is_within_match(detector, start);
        if known || !self.may_begin(text, pattern, start) {
            return;
        }
        let reading = pattern.dfa.read(text, start, start.saturating_add(MAX_MATCH_LEN));
        if reading.alive && more {
            open.again = open.again.min(start);
            if action >= Action::Redact {
                open.hold = open.hold.min(self.value_start(text, pattern, (start, behind), text.len()));
            }
            return;
        }
        if !work.spend(reading.read.saturating_sub(start)) {
            return;
        }
        if let Some((start, end)) = self.verify(text, pattern, (start, behind), reading, memory) {
            // Two anchors may lead to one value.
            let found = Match { detector, start, end };
            if !memory.knows(found) {
                memory.note(found);
                report(found);
            }
        }
    }

    fn may_begin(&self, text: &[u8], pattern: &Pattern, start: usize) -> bool {
        let (before, _) = pattern.not_beside;
        let neighbour = start.checked_sub(1).and_then(|at| text.get(at));
        !neighbour.is_some_and(|&byte| self.catalogue.set(before).contains(byte))
    }

    /// The value's place, if everything holds that must: the cheap first.
    fn verify(
        &self,
        text: &[u8],
        pattern: &Pattern,
        (start, behind): (usize, usize),
        reading: Reading,
        memory: &Memory,
    ) -> Option<(usize, usize)> {
        let end = reading.matched?;
        let (_, after) = pattern.not_beside;
        if text.get(end).is_some_and(|&byte| self.catalogue.set(after).contains(byte)) {
            return None;
        }
        let (least, most) = pattern.length;
        let length = end.saturating_sub(start);
        if length == 0 || !(usize::from(least)..=usize::from(most)).contains(&length) {
            return None;
        }
        let from = self.value_start(text, pattern, (start, behind), end);
        let value = text.get(from..end).filter(|value| !value.is_empty())?;
        if !pattern.checks.iter().all(|check| check.accepts(value)) {
            return None;
        }
        // What every match begins with says nothing about its randomness.
        let known = if pattern.value.is_some() { 0 } else { usize::from(pattern.prefix) };
        let random = value.get(known..).unwrap_or_default();
        let holds = (pattern.min_entropy == 0 || entropy(random) >= u32::from(pattern.min_entropy))
            && (pattern.placeholders || !is_placeholder(random))
            && pattern.context.is_none_or(|context| memory.has_context(context, start));
        holds.then_some((from, end))
    }

    /// Where the value of a match begins: with the last run of its bytes, if that is behind the anchor; where it is not, with nothing.
    fn value_start(
        &self,
        text: &[u8],
        pattern: &Pattern,
        (start, behind): (usize, usize),
        end: usize,
    ) -> usize {
        let Some(set) = pattern.value else { return start };
        let set = self.catalogue.set(set);
        let matched = text.get(start..end).unwrap_or_default();
        let value = end.saturating_sub(matched.iter().rev().take_while(|&&byte| set.contains(byte)).count());
        if value < behind { end } else { value }
    }

    /// Notes what the end of a piece could be the beginning of, although no trigger stands there yet.
    fn leave_open(&self, text: &[u8], from: usize, memory: &Memory, open: &mut Open) {
        let beginnings = self.catalogue.triggers.beginnings(text, from);
        if let Some(&longest) = beginnings.first() {
            open.again = open.again.min(text.len().saturating_sub(longest));
            let starts = beginnings.iter().map(|&length| text.len().saturating_sub(length));
            let viable = { starts }.find(|&start| {
                self.catalogue.anchored.iter().any(|&detector| self.could_begin(text, detector, start))
            });
            open.hold = open.hold.min(viable.unwrap_or(text.len()));
        }
        // A lead may be followed by as much of its anchor as stands at the end.
        for begun in core::iter::once(0).chain(beginnings) {
            let trigger = text.len().saturating_sub(begun);
            for &detector in &self.catalogue.led {
                let candidate = self.candidate(text, detector, trigger);
                self.leave_lead_open(text, from, trigger, candidate, memory, open);
            }
        }
    }

    fn leave_lead_open(
        &self,
        text: &[u8],
        from: usize,
        trigger: usize,
        candidate: Option<Candidate<'_>>,
        memory: &Memory,
        open: &mut Open,
    ) {
        let Some(Candidate { pattern, action, start, .. }) = candidate else { return };
        // Where the run comes to be longer than a lead may be, the match begins so far before its anchor, wherever that comes to stand.
        let mut starts = start..trigger;
        let viable = |&start: &usize| {
            start >= from
                && self.may_begin(text, pattern, start)
                && pattern.context.is_none_or(|context| memory.has_context(context, start))
                && pattern.dfa.read(text, start, usize::MAX).alive
        };
        if let Some(start) = starts.find(viable) {
            open.again = open.again.min(start);
            // A value begins behind the anchor, which is not there yet.
            if action >= Action::Redact && pattern.value.is_none() {
                open.hold = open.hold.min(start);
            }
        }
    }

    /// Whether a match that is to be replaced could begin at a byte and go on beyond the text's end.
    fn could_begin(&self, text: &[u8], detector: DetectorId, start: usize) -> bool {
        let Some(pattern) = self.pattern(detector) else { return false };
        self.action(detector) >= Action::Redact
            && pattern.value.is_none()
            && self.may_begin(text, pattern, start)
            && pattern.dfa.read(text, start, usize::MAX).alive
    }
}

/// The longest context word that must stand alone: `rtn` is in many words, `passport` in few.
const SHORT_WORD: usize = 4;

/// Whether a context word is one: one that is short may not be a part of a longer word, unless that is written like `customerSsn`. One
/// at the end of a text that may go on is come upon again.
fn is_word(text: &[u8], start: usize, end: usize, more: bool) -> bool {
    if more && end == text.len() {
        return false;
    }
    let letter = |at: Option<usize>| at.and_then(|at| text.get(at)).copied().filter(u8::is_ascii_alphabetic);
    let begins = match (letter(start.checked_sub(1)), letter(Some(start))) {
        (None, _) => true,
        (Some(before), Some(first)) => before.is_ascii_lowercase() && first.is_ascii_uppercase(),
        (Some(_), None) => true,
    };
    let ends = letter(Some(end)).is_none_or(|next| next.is_ascii_uppercase());
    end.saturating_sub(start) > SHORT_WORD || (begins && ends)
}
