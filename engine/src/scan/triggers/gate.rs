//! Where a word could begin, going by its first four bytes and by the kind of the byte before them: right when it says nowhere.

use super::{BLOCK, Meaning, Triggers, Word};
use crate::bytes::{self, Kind};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// How many classes of bytes are told apart; the last is for bytes that are in no word's first three, and the one before for all that
/// find no class of their own.
const CLASSES: usize = 64;
const CLASS: u16 = 0x3f;
const OTHER: u16 = 63;
/// First class, second class.
const PAIRS: usize = CLASSES * CLASSES;
const PAIR: u16 = 0xfff;
/// The pairs behind whatever is no letter, no digit and no `_`, where every word counts, and those behind what is.
const CELLS: usize = 2 * PAIRS;
/// How many words of bits tell of four classes, and what spreads them over those (Knuth, The Art of Computer Programming, 6.4).
const QUADS: usize = 1024;
const SPREAD: u32 = 0x9e37_79b1;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gate(Option<Box<Tables>>);

#[derive(Clone, Debug, PartialEq)]
struct Tables {
    /// The class of each byte.
    classes: [u8; 256],
    /// A bit for each third class.
    cells: Box<[u64; CELLS]>,
    /// A bit for each second class: whether a word of two bytes, or of one, begins with it.
    short: [u64; CLASSES],
    /// A bit for what four classes come to: whether a longer word could begin with them.
    quads: [u32; QUADS],
    /// The trie's state after two classes, if that is one and no word ends before it; else 0.
    states: [u16; PAIRS],
}

impl Gate {
    pub(super) const BYTES: usize = CELLS * size_of::<u64>() + size_of::<Tables>();

    pub(super) fn new(triggers: &Triggers, bounded: &[bool]) -> Self {
        let Ok(cells) = alloc::vec![0_u64; CELLS].into_boxed_slice().try_into() else { return Self(None) };
        let (classes, of) = classes(triggers);
        let mut tables =
            Tables { classes, cells, short: [0; CLASSES], quads: [0; QUADS], states: [0; PAIRS] };
        let [_, second, third, fourth, _] = triggers.levels();
        let paths = paths(triggers, &of);
        let alone = alone(triggers, bounded);
        for ((&path, &alone), state) in paths.iter().zip(&alone).zip(0..).skip(third) {
            if state < fourth {
                tables.open(alone, path >> 6, 1_u64.wrapping_shl(path));
            } else {
                tables.admit(path);
            }
        }
        // What follows a short word may be anything.
        for &(state, word) in triggers.words.iter().take_while(|&&(state, _)| usize::from(state) < fourth) {
            let state = usize::from(state);
            let path = paths.get(state).copied().unwrap_or(0);
            let alone = counts_alone(word, bounded);
            let longer = (0..=u32::from(CLASS)).map(|class| path.wrapping_shl(6) | class);
            if state < second {
                longer.for_each(|pair| tables.open_short(alone, pair));
            } else if state < third {
                tables.open_short(alone, path);
            } else {
                longer.for_each(|quad| tables.admit(quad));
            }
        }
        tables.number(triggers, &of, &paths);
        Self(Some(Box::new(tables)))
    }

    /// The trie's state after the two bytes at a place, if it is told apart from others and no word is shorter.
    pub(super) fn state(&self, text: &[u8], at: usize) -> Option<usize> {
        let tables = self.0.as_ref()?;
        let pair = usize::from(tables.pair(text.get(at..)?));
        tables.states.get(pair).map(|&state| usize::from(state)).filter(|&state| state > 0)
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
            words |= u64::from(begins).wrapping_shl(place);
            hits &= hits.wrapping_sub(1);
        }
        words
    }

    /// Where words could begin for all that stands before them, and nearly nowhere else. As it goes over every byte of every message,
    /// there is no branch in it.
    #[inline]
    fn hits(&self, text: &[u8]) -> u64 {
        // What counts anywhere counts behind whatever is no letter, no digit and no `_`: half of the table is all that the nearest cache
        // has to hold.
        let Some(any) = self.cells.first_chunk::<PAIRS>() else { return 0 };
        let bit = |pair: u16, third: u16| {
            any.get(usize::from(pair & PAIR)).copied().unwrap_or(0).wrapping_shr(u32::from(third)) & 1
        };
        let ends = text.len().min(BLOCK.saturating_add(2));
        let (chunks, rest) = text.get(2..ends).unwrap_or_default().as_chunks::<4>();
        let mut pair = self.pair(text);
        let (mut hits, mut place) = (0_u64, 0_u32);
        for &[a, b, c, d] in chunks {
            let (a, b, c, d) = (self.class(a), self.class(b), self.class(c), self.class(d));
            let four = bit(pair, a)
                | bit(pair.wrapping_shl(6) | a, b).wrapping_shl(1)
                | bit(a.wrapping_shl(6) | b, c).wrapping_shl(2)
                | bit(b.wrapping_shl(6) | c, d).wrapping_shl(3);
            hits |= four.wrapping_shl(place);
            place = place.wrapping_add(4);
            pair = c.wrapping_shl(6) | d;
        }
        // Behind the last bytes stands nothing.
        let end = u32::try_from(text.len().min(BLOCK)).unwrap_or(0);
        let mut rest = rest.iter();
        while place < end {
            let third = rest.next().map_or(OTHER, |&byte| self.class(byte));
            hits |= bit(pair, third).wrapping_shl(place);
            place = place.wrapping_add(1);
            pair = pair.wrapping_shl(6) | third;
        }
        hits
    }

    #[inline]
    fn class(&self, byte: u8) -> u16 {
        u16::from(self.classes.get(usize::from(byte)).copied().unwrap_or(u8::MAX))
    }

    fn pair(&self, text: &[u8]) -> u16 {
        let class = |at: usize| text.get(at).map_or(OTHER, |&byte| self.class(byte));
        class(0).wrapping_shl(6) | class(1)
    }

    /// Whether a word could begin at a byte, going by what stands before it, and by the fourth byte. What a hit comes to is hard to foresee:
    /// there is no branch for it.
    #[inline]
    fn begins(&self, text: &[u8], at: usize) -> bool {
        let ahead = text.get(at..).unwrap_or_default();
        let (first, second, third, fourth) = match ahead.first_chunk() {
            Some(&[a, b, c, d]) => (self.class(a), self.class(b), self.class(c), self.class(d)),
            None => {
                let class = |at: usize| ahead.get(at).map_or(OTHER, |&byte| self.class(byte));
                (class(0), class(1), class(2), OTHER)
            }
        };
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        let cells = if before.is_some_and(|&byte| bytes::is(byte, Kind::WORD)) { PAIRS } else { 0 };
        let pair = first.wrapping_shl(6) | second;
        let bits = self.cells.get(cells | usize::from(pair & PAIR)).copied().unwrap_or(0);
        let (place, bit) =
            place(u32::from(pair).wrapping_shl(12) | u32::from(third.wrapping_shl(6) | fourth));
        let short = self.short.get(usize::from(first)).copied().unwrap_or(0).wrapping_shr(u32::from(second));
        let long = self.quads.get(place).copied().unwrap_or(0) & bit != 0;
        (bits.wrapping_shr(u32::from(third)) & 1 == 1) & (long | (short & 1 == 1))
    }

    /// Lets a pair of classes pass where one of the third classes follows; `alone`: not behind letters, digits and `_`.
    #[inline(never)]
    fn open(&mut self, alone: bool, pair: u32, third: u64) {
        for cells in self.cells.chunks_mut(PAIRS).take(if alone { 1 } else { 2 }) {
            if let Some(cell) = usize::try_from(pair).ok().and_then(|pair| cells.get_mut(pair)) {
                *cell |= third;
            }
        }
    }

    /// Lets a word of at most two bytes pass.
    fn open_short(&mut self, alone: bool, pair: u32) {
        self.open(alone, pair, u64::MAX);
        if let Some(bits) = usize::try_from(pair >> 6).ok().and_then(|first| self.short.get_mut(first)) {
            *bits |= 1_u64.wrapping_shl(pair);
        }
    }

    /// Notes the states that two classes lead to, where each class is that of one class of the trie alone.
    fn number(&mut self, triggers: &Triggers, of: &[u16], paths: &[u32]) {
        let is_one = |class: u32| {
            class != u32::from(OTHER) && of.iter().filter(|&&of| u32::from(of) == class).count() == 1
        };
        let [first, second, ..] = triggers.levels();
        for above in (first..second).filter(|&above| triggers.words_of(above).is_empty()) {
            let (labels, state) = triggers.edges(above);
            for (_, state) in labels.iter().zip(state..) {
                let pair = paths.get(usize::from(state)).copied().unwrap_or(0);
                let slot = usize::try_from(pair).ok().and_then(|pair| self.states.get_mut(pair));
                if let Some(slot) = slot.filter(|_| is_one(pair >> 6) && is_one(pair & u32::from(CLASS))) {
                    *slot = state;
                }
            }
        }
    }

    /// Lets four classes pass.
    fn admit(&mut self, quad: u32) {
        let (word, bit) = place(quad);
        if let Some(bits) = self.quads.get_mut(word) {
            *bits |= bit;
        }
    }
}

/// The classes that lead to each state of the first four levels, six bits each.
fn paths(triggers: &Triggers, classes: &[u16]) -> Vec<u32> {
    let [_, _, _, fourth, beyond] = triggers.levels();
    let mut paths = alloc::vec![0_u32; beyond];
    for state in 0..fourth {
        let path = paths.get(state).copied().unwrap_or(0);
        let (labels, first) = triggers.edges(state);
        for (&label, to) in labels.iter().zip(usize::from(first)..) {
            let class = classes.get(usize::from(label)).copied().unwrap_or(OTHER);
            if let Some(slot) = paths.get_mut(to) {
                *slot = path.wrapping_shl(6) | u32::from(class);
            }
        }
    }
    paths
}

/// Where it is kept of four classes whether words begin with them; others may share the place.
fn place(quad: u32) -> (usize, u32) {
    let hash = quad.wrapping_mul(SPREAD) >> 17;
    (usize::try_from(hash >> 5).unwrap_or(0), 1_u32.wrapping_shl(hash))
}

/// What is read for each byte, and the class of each class of the trie.
fn classes(triggers: &Triggers) -> ([u8; 256], Vec<u16>) {
    let [.., fourth, _] = triggers.levels();
    let used = triggers.labels.get(..fourth.saturating_sub(1)).unwrap_or_default();
    let mut of = alloc::vec![OTHER; 256];
    let (mut next, mut shared) = (0_u16, [None; 3]);
    let mut bytes = [u8::try_from(OTHER).unwrap_or(u8::MAX); 256];
    for ((&class, slot), byte) in triggers.table.classes.iter().zip(&mut bytes).zip(0..=u8::MAX) {
        if let Some(mine) = of.get_mut(usize::from(class)).filter(|_| used.contains(&class)) {
            let mut own = None;
            let group = match byte {
                // Numbers are told from `0x` and the like by their first digits.
                b'2'..=b'9' => shared.first_mut(),
                ..b' ' => shared.get_mut(1),
                0x80.. => shared.last_mut(),
                _ => None,
            };
            if *mine == OTHER {
                *mine = *group.unwrap_or(&mut own).get_or_insert_with(|| {
                    next = next.saturating_add(1).min(OTHER);
                    next.saturating_sub(1)
                });
            }
            *slot = u8::try_from(*mine).unwrap_or(u8::MAX);
        }
    }
    (bytes, of)
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
