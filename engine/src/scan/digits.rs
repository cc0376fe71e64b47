//! Runs of digits, and which detectors one could begin a match of: numbers are in every message, and hardly any of them is one of those
//! that are looked for.

use super::detector::{ByteSet, Pattern};
use super::triggers::BLOCK;
use alloc::vec::Vec;

/// The longest run of digits that the table of shapes tells apart.
pub const MAX_SHAPE: usize = 24;
/// The kinds of bytes that a run of digits can be followed by: nothing or anything else, a letter, a dash, a blank, a full stop.
pub const FOLLOWERS: usize = 5;
/// The shapes of runs: lengths ([`MAX_SHAPE`] or more are one) times what follows.
pub const SHAPES: usize = (MAX_SHAPE + 1) * FOLLOWERS;
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
}

impl Beginnings {
    /// No detectors, and so many groups of context words.
    pub(super) fn new(groups: u8) -> Self {
        let (by_group, none) =
            (alloc::vec![0; usize::from(groups)], alloc::vec![0; BEHIND_NOTHING.saturating_add(1)]);
        Self { by_group, led: none.clone(), bare: none, ..Self::default() }
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

    /// Those that the run of digits at a byte could begin, if `shapes` says so of its length and of what follows it: with a lead before it,
    /// and without. A run at the end of a text that goes on has every shape.
    pub(super) fn at(&self, text: &[u8], start: usize, more: bool, shapes: &[u128]) -> u128 {
        let run = text.get(start..).unwrap_or_default();
        let length = run.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let shape = length
            .min(MAX_SHAPE)
            .saturating_mul(FOLLOWERS)
            .saturating_add(follower(run.get(length).copied()));
        let open = if more && length == run.len() { u128::MAX } else { 0 };
        let of = |masks: &[u128], at: usize| masks.get(at).copied().unwrap_or(0);
        let before = start.checked_sub(1).and_then(|at| text.get(at));
        let before = before.map_or(BEHIND_NOTHING, |&byte| usize::from(byte));
        let first = run.first().map_or(0, |digit| usize::from(digit.wrapping_sub(b'0')));
        let led = of(&self.led, before) & (of(shapes, shape) | open);
        let bare = of(&self.bare, before) & of(&self.first, first);
        led | (bare & (of(shapes, shape.saturating_add(SHAPES)) | open))
    }
}

/// Which kind of follower a byte is after a run of digits.
pub fn follower(byte: Option<u8>) -> usize {
    match byte {
        Some(byte) if byte.is_ascii_alphabetic() => 1,
        Some(b'-') => 2,
        Some(b' ') => 3,
        Some(b'.') => 4,
        _ => 0,
    }
}

/// Where runs of digits begin, a bit for each of [`BLOCK`] bytes from `from` on.
pub(super) fn runs(text: &[u8], from: usize) -> u64 {
    let block = text.get(from..).unwrap_or_default();
    let (chunks, rest) = block.get(..BLOCK).unwrap_or(block).as_chunks::<8>();
    let (mut digits, mut place) = (0_u64, 0_u32);
    for &chunk in chunks {
        digits |= digits_of(chunk).wrapping_shl(place);
        place = place.wrapping_add(8);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        digits |= digits_of(last).wrapping_shl(place);
    }
    let before = from.checked_sub(1).and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
    digits & !(digits.wrapping_shl(1) | u64::from(before))
}

/// A bit for each of eight bytes that is a digit.
#[inline]
fn digits_of(bytes: [u8; 8]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // A digit less its zero is below ten, and whatever else is not; 0x76 and ten are 0x80.
    let less = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
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
            assert_eq!(runs(&text, from), expected.fold(0, |all, at| all | 1 << (at - from)), "{from}");
        }
    }
}
