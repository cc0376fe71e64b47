//! Where a word could begin, going by its first five bytes and by the kind of the byte before them: right when it says nowhere.
//!
//! A first look, at three bytes, goes over every byte of every message, so nothing in it is branched on or waits for what came before;
//! a second look is at what it leaves.

use super::{BLOCK, Meaning, Node, Triggers, Word};
use crate::bytes::{self, Kind};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// How many classes of bytes the first look tells apart: so few that a byte for each three of them fits into the nearest cache.
const CLASSES: usize = 32;
const CLASS_BITS: u32 = 5;
const THREES: usize = CLASSES * CLASSES * CLASSES;
const THREE: usize = THREES - 1;
/// What the classes are, in small letters; whatever is in none, `u` and nearly all that is not ASCII among it, is in the last. Letters that
/// few words begin with share theirs with signs. What looks odd is what lets the fewest places of JSON and prose pass.
const SHARED: [&[u8]; CLASSES - 1] = [
    b"a>?",
    b"b!*\xe2\xef\xf3",
    b"c#",
    b"d",
    b"e",
    b"f(",
    b"g)",
    b"h",
    b"i",
    b"j']^x",
    b"kz=y",
    b"l",
    b"m",
    b"n",
    b"o",
    b"p",
    b"qv",
    b"r",
    b"s",
    b"t",
    b"w-",
    b"0<",
    b"1\"",
    b"23456789",
    b"~|\n\x1b",
    b" ",
    b"${[_",
    b"%&@\\",
    b".",
    b"/:",
    b";",
];
static CLASS: [u8; 256] = classes();

/// How many words of bits tell what texts begin with, and what spreads them (Knuth, The Art of Computer Programming, 6.4).
const GRAMS: usize = 1_024;
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// What makes letters small, and other bytes something that the words' are made to as well.
const FOLD: u64 = 0x2020_2020_2020_2020;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gate(Option<Box<Tables>>);

#[derive(Clone, Debug, PartialEq)]
struct Tables {
    /// For each three classes 0, or [`BEGINS`] and, [`LENGTH`] bits above, how many bytes the second look has to be at: as many as the shortest
    /// word has that could begin with them.
    threes: [u8; THREES],
    /// A bit for what the bytes of a second look come to: whether a word could be that or begin so, behind whatever is no letter, no digit
    /// and no `_`, where every word counts; then the same behind what is.
    grams: [u32; 2 * GRAMS],
    /// The trie's state after two letters, if no word ends before it; else 0.
    states: [u16; CLASSES * CLASSES],
}

/// Of a cell of [`Tables::threes`]: that words begin so, and where the length is.
const BEGINS: u8 = 1;
const LENGTH: u32 = 4;
/// Four such bits side by side.
const FOUR: u32 = 15;

impl Gate {
    pub(super) const BYTES: usize = size_of::<Tables>() + size_of_val(&CLASS);

    /// `letters`: the byte of each class of the trie.
    pub(super) fn new(triggers: &Triggers, letters: &[u8], bounded: &[bool]) -> Self {
        let mut tables =
            Box::new(Tables { threes: [0; THREES], grams: [0; 2 * GRAMS], states: [0; CLASSES * CLASSES] });
        let [_, second, third, _, fifth, beyond] = triggers.levels();
        let paths = paths(triggers, letters, beyond);
        let alone = alone(triggers, bounded);
        let deep = paths.iter().copied().zip(alone).skip(fifth);
        let words = triggers.words.iter().take_while(|&&(state, _)| usize::from(state) < fifth);
        let path = |state: u16| paths.get(usize::from(state)).copied().unwrap_or_default();
        let short = words.map(|&(state, word)| (path(state), counts_alone(word, bounded)));
        let all: Vec<(Beginning, bool)> = short.chain(deep).collect();
        for &(beginning, _) in &all {
            tables.open(beginning);
        }
        for &(beginning, alone) in &all {
            tables.admit(beginning, alone);
        }
        for (state, &(bytes, _)) in paths.iter().enumerate().take(third).skip(second) {
            tables.number(triggers, state, bytes);
        }
        Self(Some(tables))
    }

    /// The trie's state after the two bytes at a place, if they are letters and no word is shorter.
    pub(super) fn state(&self, text: &[u8], at: usize) -> Option<usize> {
        let &[first, second] = text.get(at..)?.first_chunk()?;
        let letters = first.is_ascii_alphabetic() && second.is_ascii_alphabetic();
        let state = self.0.as_ref().filter(|_| letters)?.states.get(letter_pair(first, second))?;
        Some(usize::from(*state)).filter(|&state| state > 0)
    }

    /// Where words could begin, a bit for each of [`BLOCK`] bytes from `from` on.
    pub(super) fn words(&self, text: &[u8], from: usize) -> u64 {
        self.0.as_ref().map_or(0, |tables| tables.words(text, from))
    }
}

impl Tables {
    #[inline(never)]
    fn words(&self, text: &[u8], from: usize) -> u64 {
        let mut hits = self.hits(text.get(from..).unwrap_or_default());
        let mut words = 0_u64;
        while hits != 0 {
            let place = hits.trailing_zeros();
            let begins = self.begins(text, from.saturating_add(usize::try_from(place).unwrap_or(0)));
            words |= begins.wrapping_shl(place);
            hits &= hits.wrapping_sub(1);
        }
        words
    }

    /// Where words could begin by the classes of three bytes, a bit each.
    #[inline]
    fn hits(&self, text: &[u8]) -> u64 {
        let ends = text.len().min(BLOCK.saturating_add(2));
        let (chunks, rest) = text.get(2..ends).unwrap_or_default().as_chunks::<4>();
        let next = |at: usize| text.get(at).map_or(NOTHING, |&byte| class(byte));
        let (mut x, mut y) = (next(0), next(1));
        let (mut hits, mut place) = (0_u64, 0_u32);
        for &chunk in chunks {
            let [a, b, c, d] = four(chunk);
            let four = self.three(x, y, a)
                | self.three(y, a, b).wrapping_shl(1)
                | self.three(a, b, c).wrapping_shl(2)
                | self.three(b, c, d).wrapping_shl(3);
            hits |= u64::from(four & FOUR).wrapping_shl(place);
            place = place.wrapping_add(4);
            (x, y) = (c, d);
        }
        // Behind the last bytes stands nothing.
        let end = u32::try_from(text.len().min(BLOCK)).unwrap_or(0);
        let mut rest = rest.iter();
        while place < end {
            let third = rest.next().map_or(NOTHING, |&byte| class(byte));
            hits |= u64::from(self.three(x, y, third) & 1).wrapping_shl(place);
            place = place.wrapping_add(1);
            (x, y) = (y, third);
        }
        hits
    }

    #[inline]
    fn three(&self, first: usize, second: usize, third: usize) -> u32 {
        let at = first.wrapping_shl(2 * CLASS_BITS) | (second.wrapping_shl(CLASS_BITS) | third);
        u32::from(self.threes.get(at & THREE).copied().unwrap_or(0))
    }

    /// Whether a word could begin at a byte, going by what stands before it, and by up to five bytes: 1 if so. What a hit comes to is hard
    /// to foresee, so that nothing is branched on here either.
    #[inline]
    fn begins(&self, text: &[u8], at: usize) -> u64 {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        let word = before.is_some_and(|&byte| bytes::is(byte, Kind::WORD));
        let ahead = bytes::ahead(text, at);
        let [first, second, third, ..] = ahead.to_le_bytes();
        let length = self.three(class(first), class(second), class(third)) >> LENGTH;
        let (at, bit) = gram(ahead, usize::try_from(length).unwrap_or(0));
        let at = if word { at | GRAMS } else { at };
        u64::from(self.grams.get(at).copied().unwrap_or(0) & bit != 0)
    }

    /// The places of the classes that a word begins with: what follows a short word may be anything.
    fn threes_of(&self, (bytes, length): Beginning) -> impl Iterator<Item = usize> + use<> {
        let bytes = bytes.to_le_bytes();
        let of = move |at: usize| {
            let class = class(bytes.get(at).copied().unwrap_or(0));
            if at < length { class..class.wrapping_add(1) } else { 0..CLASSES }
        };
        let pairs =
            of(0).flat_map(move |first| of(1).map(move |second| first.wrapping_shl(CLASS_BITS) | second));
        pairs.flat_map(move |pair| of(2).map(move |third| pair.wrapping_shl(CLASS_BITS) | third))
    }

    /// Lets a word pass the first look.
    fn open(&mut self, beginning: Beginning) {
        let length = u8::try_from(beginning.1).unwrap_or(0);
        for at in self.threes_of(beginning) {
            if let Some(three) =
                self.threes.get_mut(at).filter(|three| **three == 0 || **three >> LENGTH > length)
            {
                *three = length.wrapping_shl(LENGTH) | BEGINS;
            }
        }
    }

    /// Lets a word pass the second look, when all have passed the first; `alone`: not behind letters, digits and `_`.
    fn admit(&mut self, beginning: Beginning, alone: bool) {
        let (mut grams, mut last) = (Vec::new(), 0);
        for at in self.threes_of(beginning) {
            let length = self.threes.get(at).map_or(0, |three| usize::from(three >> LENGTH));
            if length != last {
                grams.push(gram(beginning.0, length));
            }
            last = length;
        }
        for (at, bit) in grams {
            for table in self.grams.chunks_mut(GRAMS).take(if alone { 1 } else { 2 }) {
                if let Some(bits) = table.get_mut(at) {
                    *bits |= bit;
                }
            }
        }
    }

    /// Notes the state that two letters lead to.
    fn number(&mut self, triggers: &Triggers, state: usize, bytes: u64) {
        let [first, second, ..] = bytes.to_le_bytes();
        let one = triggers.step(0, Node::default(), first);
        let letters = first.is_ascii_lowercase() && second.is_ascii_lowercase();
        if letters
            && triggers.words_of(one).is_empty()
            && let Some(slot) = self.states.get_mut(letter_pair(first, second))
        {
            *slot = u16::try_from(state).unwrap_or(0);
        }
    }
}

/// The first bytes of a word, the first one lowest, and how many they are.
type Beginning = (u64, usize);

/// The class of what stands behind the end of a text, and of whatever is in no other.
const NOTHING: usize = CLASSES - 1;

#[inline]
fn class(byte: u8) -> usize {
    CLASS.get(usize::from(byte)).map_or(NOTHING, |&class| usize::from(class))
}

/// The classes of four bytes, which are loaded as one.
#[inline]
fn four(chunk: [u8; 4]) -> [usize; 4] {
    let chunk = u32::from_le_bytes(chunk);
    let of = |shift: u32| {
        let [byte, ..] = chunk.wrapping_shr(shift).to_le_bytes();
        class(byte)
    };
    [of(0), of(8), of(16), of(24)]
}

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let (mut byte, mut left) = (0_u8, classes.as_mut_slice());
    while let [class, others @ ..] = left {
        *class = class_of(byte.to_ascii_lowercase());
        (byte, left) = (byte.wrapping_add(1), others);
    }
    classes
}

const fn class_of(byte: u8) -> u8 {
    let (mut class, mut left) = (0_u8, SHARED.as_slice());
    while let [shared, others @ ..] = left {
        let mut bytes = *shared;
        while let [one, rest @ ..] = bytes {
            if *one == byte {
                return class;
            }
            bytes = rest;
        }
        (class, left) = (class.wrapping_add(1), others);
    }
    class
}

/// Where it is kept of two letters which state they lead to.
fn letter_pair(first: u8, second: u8) -> usize {
    let of = |byte: u8| usize::from(byte & 0x1f);
    of(first).wrapping_shl(CLASS_BITS) | of(second)
}

/// Where it is kept of the first so many bytes whether a word begins with them; others may share the place.
#[inline]
fn gram(bytes: u64, length: usize) -> (usize, u32) {
    const MASKS: [u64; 8] = [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff, 0xff_ffff_ffff, 0, 0];
    let mask = MASKS.get(length & 7).copied().unwrap_or(0);
    let hash = ((bytes | FOLD) & mask).wrapping_mul(SPREAD) >> 49;
    (usize::try_from(hash >> 5).unwrap_or(0), 1_u32.wrapping_shl(u32::try_from(hash & 31).unwrap_or(0)))
}

/// The bytes that lead to each state of the first levels, the first one lowest, and how many they are.
fn paths(triggers: &Triggers, letters: &[u8], beyond: usize) -> Vec<Beginning> {
    let mut paths = alloc::vec![(0_u64, 0_usize); beyond];
    for state in 0..beyond {
        let (path, length) = paths.get(state).copied().unwrap_or_default();
        let shift = u32::try_from(length.wrapping_mul(8)).unwrap_or(0);
        let (labels, first) = triggers.edges(state);
        for (&label, to) in labels.iter().zip(usize::from(first)..) {
            let letter = letters.get(usize::from(label)).copied().unwrap_or(0);
            if let Some(slot) = paths.get_mut(to) {
                *slot = (path | u64::from(letter).wrapping_shl(shift), length.wrapping_add(1));
            }
        }
    }
    paths
}

/// Of each state, whether its words, and those of the states below it, count only behind what is no letter, no digit and no `_`.
fn alone(triggers: &Triggers, bounded: &[bool]) -> Vec<bool> {
    let mut alone = alloc::vec![true; triggers.children.len()];
    for &(state, word) in &triggers.words {
        if let Some(slot) = alone.get_mut(usize::from(state)) {
            *slot &= counts_alone(word, bounded);
        }
    }
    // Children come after their parents: the last first, and theirs are there.
    for state in (0..alone.len()).rev() {
        let (labels, first) = triggers.edges(state);
        let below = alone.iter().skip(usize::from(first)).take(labels.len()).all(|&alone| alone);
        if let Some(slot) = alone.get_mut(state) {
            *slot &= below;
        }
    }
    alone
}

fn counts_alone(word: Word, bounded: &[bool]) -> bool {
    matches!(word.meaning, Meaning::Anchor(detector) if bounded.get(usize::from(detector.0)) == Some(&true))
}
