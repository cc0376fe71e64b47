//! Runs of digits, and which detectors one could begin a match of: numbers are in every message, and hardly any of them is one of those
//! that are looked for.

use super::detector::{ByteSet, Pattern};
use super::triggers::BLOCK;
use crate::bytes;
use alloc::vec::Vec;
use core::cell::Cell;

/// The longest run of digits that is told apart from longer ones.
pub const MAX_RUN: usize = 24;
/// The longest run of digits behind what follows a run that is told apart.
pub const MAX_NEXT: usize = 7;
const NEXTS: usize = MAX_NEXT + 1;
/// The kinds of bytes that a run of digits can be followed by: nothing or anything else, a letter, a dash, a blank, a full stop.
pub const FOLLOWERS: usize = 5;
/// How many [shapes](shape) there are.
pub const SHAPES: usize = (MAX_RUN + 1) * FOLLOWERS * NEXTS;
/// Where it is told what can begin at the beginning of a text.
const BEHIND_NOTHING: usize = 256;

/// Detectors that runs of digits trigger, a bit each, by what stands before a run and what it begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Beginnings {
    /// Those that ask for no context words.
    pub alone: u128,
    /// Those that ask for words of each group.
    by_group: Vec<u128>,
    /// Those whose lead can end with a byte.
    led: Vec<u128>,
    /// Those that can begin behind a byte, or, the last, behind nothing.
    bare: Vec<u128>,
    /// Those that can begin with a digit.
    first: [u128; 10],
    /// Those that a run of a length could begin that something follows, whatever comes then: with a lead before it, and without.
    rough: Vec<[u128; 2]>,
}

impl Beginnings {
    /// No detectors, and so many groups of context words.
    pub(super) fn new(groups: u8) -> Self {
        let (by_group, none) =
            (alloc::vec![0; usize::from(groups)], alloc::vec![0; BEHIND_NOTHING.saturating_add(1)]);
        Self { by_group, led: none.clone(), bare: none, ..Self::default() }
    }

    /// How large the masks are, in bytes.
    pub(super) fn table_bytes(&self) -> usize {
        let masks =
            [self.by_group.len(), self.led.len(), self.bare.len(), self.first.len()].iter().sum::<usize>();
        masks.saturating_add(self.rough.len().saturating_mul(2)).saturating_mul(size_of::<u128>())
    }

    /// Takes over what the table of shapes says.
    pub(super) fn note(&mut self, shapes: &[u128]) {
        let (led, bare) = shapes.split_at(shapes.len().min(SHAPES));
        let any = |shapes: &[u128]| shapes.iter().fold(0, |all, mask| all | mask);
        self.rough =
            led.chunks(NEXTS).zip(bare.chunks(NEXTS)).map(|(led, bare)| [any(led), any(bare)]).collect();
    }

    /// Adds the detector of a bit, with the bytes of its lead and those that may not stand before its matches.
    pub(super) fn add(&mut self, bit: u128, pattern: &Pattern, lead: ByteSet, not_before: ByteSet) {
        let bytes = (0..=u8::MAX).map(Some).chain([None]);
        for ((led, bare), byte) in self.led.iter_mut().zip(&mut self.bare).zip(bytes) {
            if byte.is_some_and(|byte| lead.contains(byte)) {
                *led |= bit;
            } else if !byte.is_some_and(|byte| not_before.contains(byte)) {
                *bare |= bit;
            }
        }
        for (first, digit) in self.first.iter_mut().zip(b'0'..) {
            if pattern.dfa.step(pattern.dfa.start(), digit) != 0 {
                *first |= bit;
            }
        }
        match pattern.context.and_then(|(group, _)| self.by_group.get_mut(usize::from(group))) {
            Some(group) => *group |= bit,
            None => self.alone |= bit,
        }
    }

    /// Those that ask for context words of a group.
    pub(super) fn with(&self, group: u8) -> u128 {
        self.by_group.get(usize::from(group)).copied().unwrap_or(0)
    }
}

/// What asks which detectors runs of digits could begin.
#[derive(Clone, Copy)]
pub(super) struct Digits<'c> {
    pub beginnings: &'c Beginnings,
    /// Those of each shape: with a lead, and without.
    pub shapes: &'c [u128],
    /// Whether the text may go on.
    pub more: bool,
    /// Those that are on, and for which what has to stand before was seen.
    pub ready: &'c Cell<u128>,
}

impl Digits<'_> {
    /// The detectors that the run between two bytes could begin, a bit each. What can be told soon is asked first: nearly all numbers are
    /// none that are looked for.
    #[inline]
    pub(super) fn at(&self, text: &[u8], (start, end): (usize, usize)) -> u128 {
        let before = start.checked_sub(1).and_then(|at| text.get(at));
        let before = before.map_or(BEHIND_NOTHING, |&byte| usize::from(byte));
        let led = mask(&self.beginnings.led, before) & self.ready.get();
        let (length, follower) = (end.saturating_sub(start), follower(text.get(end).copied()));
        let rough = self.beginnings.rough.get(rough(length, follower));
        let [with, without] = rough.copied().unwrap_or_default();
        let open = self.more && end.saturating_add(1) >= text.len();
        if (with & led) | (without & self.ready.get()) == 0 && !open {
            return 0;
        }
        self.closer(text, (start, end), led, before)
    }

    #[inline(never)]
    fn closer(&self, text: &[u8], (start, end): (usize, usize), led: u128, before: usize) -> u128 {
        let behind = end.saturating_add(1);
        let next = digits_of(bytes::ahead(text, behind)).trailing_ones();
        let next = usize::try_from(next).unwrap_or(0).min(MAX_NEXT);
        let shape = shape(end.saturating_sub(start), follower(text.get(end).copied()), next);
        // What the end of a text leaves open has every shape.
        let open = self.more && behind.saturating_add(next) >= text.len() && next < MAX_NEXT;
        let open = if open { u128::MAX } else { 0 };
        let first = text.get(start).map_or(0, |digit| usize::from(digit.wrapping_sub(b'0')));
        let bare =
            mask(&self.beginnings.bare, before) & mask(&self.beginnings.first, first) & self.ready.get();
        (led & (mask(self.shapes, shape) | open))
            | (bare & (mask(self.shapes, shape.saturating_add(SHAPES)) | open))
    }
}

fn mask(masks: &[u128], at: usize) -> u128 {
    masks.get(at).copied().unwrap_or(0)
}

/// The number of a shape: a run of so many digits ([`MAX_RUN`] or more are one), [what follows it](follower), and so many digits behind
/// that ([`MAX_NEXT`] or more are one).
pub fn shape(digits: usize, follower: usize, next: usize) -> usize {
    rough(digits, follower).saturating_mul(NEXTS).saturating_add(next.min(MAX_NEXT))
}

/// The number of the shapes that differ only in what is behind the follower.
#[inline]
fn rough(digits: usize, follower: usize) -> usize {
    digits.min(MAX_RUN).saturating_mul(FOLLOWERS).saturating_add(follower)
}

/// Which kind of follower a byte is after a run of digits.
#[inline]
pub fn follower(byte: Option<u8>) -> usize {
    byte.and_then(|byte| FOLLOWER.get(usize::from(byte))).map_or(0, |&kind| usize::from(kind))
}

static FOLLOWER: [u8; 256] = {
    let mut followers = [0; 256];
    let (mut byte, mut left) = (0_u8, followers.as_mut_slice());
    while let [follower, others @ ..] = left {
        *follower = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => 1,
            b'-' => 2,
            b' ' => 3,
            b'.' => 4,
            _ => 0,
        };
        (byte, left) = (byte.wrapping_add(1), others);
    }
    followers
};

/// Runs of digits in a block: a bit for each of [`BLOCK`] bytes from `from` on.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    /// Those that are digits.
    digits: u64,
    /// Where runs begin.
    pub begins: u64,
}

impl Runs {
    pub(super) const NONE: Self = Self { digits: 0, begins: 0 };

    pub(super) fn of(text: &[u8], from: usize) -> Self {
        let block = text.get(from..).unwrap_or_default();
        let (chunks, rest) = block.get(..BLOCK).unwrap_or(block).as_chunks::<8>();
        let (mut digits, mut place) = (0_u64, 0_u32);
        for &chunk in chunks {
            digits |= digits_of(u64::from_le_bytes(chunk)).wrapping_shl(place);
            place = place.wrapping_add(8);
        }
        if !rest.is_empty() {
            digits |= digits_of(bytes::ahead(rest, 0)).wrapping_shl(place);
        }
        let before = from.checked_sub(1).and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
        Self { digits, begins: digits & !(digits.wrapping_shl(1) | u64::from(before)) }
    }

    /// The byte after the run that begins at a byte, which is that place of the block.
    pub(super) fn end(self, text: &[u8], start: usize, place: u32) -> usize {
        let length = self.digits.wrapping_shr(place).trailing_ones();
        let end = start.saturating_add(usize::try_from(length).unwrap_or(0));
        if length.wrapping_add(place) == u64::BITS { end_beyond(text, end) } else { end }
    }
}

/// The end of a run that goes on in the next block.
#[inline(never)]
fn end_beyond(text: &[u8], from: usize) -> usize {
    let beyond = text.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    from.saturating_add(beyond)
}

/// A bit for each of eight bytes that is a digit.
#[inline]
fn digits_of(bytes: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // A digit less its zero is below ten, and whatever else is not; 0x76 and ten are 0x80.
    let less = bytes ^ 0x3030_3030_3030_3030;
    let digits = !((less & LOW).wrapping_add(0x7676_7676_7676_7676) | less | LOW);
    // The highest bit of each byte, side by side.
    (digits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_begin_where_a_digit_follows_none() {
        let text: Vec<u8> = (0..=u8::MAX).chain(*b"12 3x45678901234 \xb0\xb9/0:9").collect();
        for from in 0..=text.len() {
            let begins = |at: usize| {
                text[at].is_ascii_digit() && !at.checked_sub(1).is_some_and(|at| text[at].is_ascii_digit())
            };
            let expected = (from..text.len().min(from + BLOCK)).filter(|&at| begins(at));
            let runs = Runs::of(&text, from);
            assert_eq!(runs.begins, expected.clone().fold(0, |all, at| all | 1 << (at - from)), "{from}");
            for at in expected {
                let length = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let end = runs.end(&text, at, u32::try_from(at - from).unwrap());
                assert_eq!(end, at + length, "{from} {at}");
            }
        }
    }
}
