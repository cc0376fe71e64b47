//! What three bytes, and the kind of the byte before them, can begin: a table that is right when it says nothing.

use super::{Meaning, Triggers, Word};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// How many classes of bytes are told apart; the last is for bytes that are in no word's first three, and the one before for all that
/// find no class of their own.
const CLASSES: usize = 64;
const CLASS: u16 = 0x3f;
const PAIR: u16 = 0xfff;
const OTHER: u16 = 63;
/// The kind of a byte stands above two classes: anything else, a letter, a digit, `_`.
const KIND: u16 = 0x3000;
const LETTER: u16 = 0x1000;
const DIGIT: u16 = 0x2000;
const LOW_LINE: u16 = 0x3000;
/// Kind, first class, second class.
const CELLS: usize = 4 * CLASSES * CLASSES;
/// First class, second class.
const PAIRS: usize = CLASSES * CLASSES;
/// Behind which kinds a word counts, a bit each: all count behind the first.
const ANYWHERE: u8 = 0b1111;
const ALONE: u8 = 0b0001;
const BEHIND_NO_DIGIT: u8 = 0b1011;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gate(Option<Box<Tables>>);

#[derive(Clone, Debug, PartialEq)]
struct Tables {
    /// The class and the kind of each byte.
    bytes: [u16; 256],
    /// A bit for each third class.
    cells: Box<[u64; CELLS]>,
    /// The class of each byte alone.
    classes: [u8; 256],
}

impl Gate {
    pub(super) const BYTES: usize = CELLS * size_of::<u64>() + size_of::<Tables>();

    pub(super) fn new(triggers: &Triggers, bounded: &[bool]) -> Self {
        let Ok(cells) = alloc::vec![0_u64; CELLS].into_boxed_slice().try_into() else { return Self(None) };
        let (bytes, classes) = classes(triggers);
        let alone = bytes.map(|byte| u8::try_from(byte & CLASS).unwrap_or(u8::MAX));
        let mut tables = Tables { bytes, cells, classes: alone };
        let kinds = kinds(triggers, bounded);
        let [_, second, third, beyond] = triggers.levels();
        // The classes that lead to each state of the first two levels.
        let mut pairs = alloc::vec![0_u16; beyond];
        for state in 0..third {
            let pair = pairs.get(state).copied().unwrap_or(0);
            let (labels, first) = triggers.edges(state);
            for (&label, to) in labels.iter().zip(usize::from(first)..) {
                let class = classes.get(usize::from(label)).copied().unwrap_or(OTHER);
                if state >= second {
                    let kinds = kinds.get(to).copied().unwrap_or(ANYWHERE);
                    tables.open(kinds, pair, 1_u64.wrapping_shl(u32::from(class)));
                } else if let Some(slot) = pairs.get_mut(to) {
                    *slot = pair.wrapping_shl(6) | class;
                }
            }
        }
        for &(state, word) in &triggers.words {
            let pair = pairs.get(usize::from(state)).copied().unwrap_or(0);
            match word.length {
                1 => (0..=CLASS).for_each(|next| {
                    tables.open(behind(word, bounded), pair.wrapping_shl(6) | next, u64::MAX);
                }),
                2 => tables.open(behind(word, bounded), pair, u64::MAX),
                _ => {}
            }
        }
        Self(Some(Box::new(tables)))
    }

    /// Calls `pass` with each byte from `from` on where a word could begin.
    pub(super) fn run(&self, text: &[u8], from: usize, mut pass: impl FnMut(usize)) {
        let Some(tables) = &self.0 else { return };
        let Tables { classes, cells, .. } = &**tables;
        // What counts anywhere counts behind the kinds that stand first: nearly all bytes of a text fail there, and a quarter of the table is
        // all that the nearest cache has to hold.
        let Some(any) = cells.first_chunk::<PAIRS>() else { return };
        let class = |byte: Option<&u8>| {
            byte.map_or(OTHER, |&byte| {
                u16::from(classes.get(usize::from(byte)).copied().unwrap_or(u8::MAX)) & CLASS
            })
        };
        let pair_at = |at: usize| {
            let rest = text.get(at..).unwrap_or_default();
            class(rest.first()).wrapping_shl(6) | class(rest.get(1))
        };
        let mut at = from;
        while let Some(rest) = text.get(at.saturating_add(2)..).filter(|rest| !rest.is_empty()) {
            let (passed, begins) = pass_over(classes, any, rest, pair_at(at));
            at = at.saturating_add(passed);
            if begins {
                let third = class(text.get(at.saturating_add(2)));
                if tables.begins(text, at, pair_at(at), third) {
                    pass(at);
                }
                at = at.saturating_add(1);
            }
        }
        // What begins with the last two bytes is short, or is not there.
        while at < text.len() {
            if tables.begins(text, at, pair_at(at), OTHER) {
                pass(at);
            }
            at = at.saturating_add(1);
        }
    }
}

/// How many bytes of a text nothing can begin at, for all that stands before them, and whether something can behind them. `thirds`
/// are the bytes two ahead of them, and `pair` is for the first and the one behind it. Apart from all else, as it goes over nearly
/// every byte of every message.
#[inline(never)]
fn pass_over(classes: &[u8; 256], any: &[u64; PAIRS], thirds: &[u8], mut pair: u16) -> (usize, bool) {
    pair &= PAIR;
    let mut left = thirds.iter();
    while let Some(&byte) = left.next() {
        let third = classes.get(usize::from(byte)).copied().unwrap_or(u8::MAX);
        let bits = any.get(usize::from(pair)).copied().unwrap_or(0).wrapping_shr(u32::from(third));
        if bits & 1 == 1 {
            return (thirds.len().saturating_sub(left.len()).saturating_sub(1), true);
        }
        pair = (pair.wrapping_shl(6) | u16::from(third)) & PAIR;
    }
    (thirds.len(), false)
}

impl Tables {
    fn read(&self, byte: u8) -> u16 {
        self.bytes.get(usize::from(byte)).copied().unwrap_or(OTHER)
    }

    /// Whether a word could begin at a byte, by what stands before it.
    fn begins(&self, text: &[u8], at: usize, pair: u16, third: u16) -> bool {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        let kind = before.map_or(OTHER, |&byte| self.read(byte)) & KIND;
        let bits = self.cells.get(usize::from(kind | pair)).copied().unwrap_or(0);
        bits.wrapping_shr(u32::from(third)) & 1 == 1
    }

    /// Lets a pair of classes pass behind these kinds, where one of the third classes follows.
    #[inline(never)]
    fn open(&mut self, kinds: u8, pair: u16, third: u64) {
        for kind in 0..4_u16 {
            let cell = self.cells.get_mut(usize::from(pair | kind.wrapping_shl(12)));
            if let Some(cell) = cell.filter(|_| kinds.wrapping_shr(u32::from(kind)) & 1 == 1) {
                *cell |= third;
            }
        }
    }
}

/// What is read for each byte, and the class of each class of the trie.
fn classes(triggers: &Triggers) -> ([u16; 256], Vec<u16>) {
    let [.., beyond] = triggers.levels();
    let used = triggers.labels.get(..beyond.saturating_sub(1)).unwrap_or_default();
    let mut of = alloc::vec![OTHER; 256];
    let (mut next, mut shared) = (0_u16, [None; 3]);
    let mut bytes = [OTHER; 256];
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
            *slot = *mine;
        }
        *slot |= kind(byte);
    }
    (bytes, of)
}

fn kind(byte: u8) -> u16 {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' => LETTER,
        b'0'..=b'9' => DIGIT,
        b'_' => LOW_LINE,
        _ => 0,
    }
}

/// Behind which kinds of bytes the words of each state and of those below it count.
fn kinds(triggers: &Triggers, bounded: &[bool]) -> Vec<u8> {
    let mut kinds = alloc::vec![0_u8; triggers.children.len()];
    for &(state, word) in &triggers.words {
        if let Some(slot) = kinds.get_mut(usize::from(state)) {
            *slot |= behind(word, bounded);
        }
    }
    // Children come after their parents: the last first, and their kinds are there.
    for state in (0..kinds.len()).rev() {
        let (labels, first) = triggers.edges(state);
        let below = kinds.iter().skip(usize::from(first)).take(labels.len()).fold(0, |all, of| all | of);
        if let Some(slot) = kinds.get_mut(state) {
            *slot |= below;
        }
    }
    kinds
}

/// Behind which kinds a word counts.
fn behind(word: Word, bounded: &[bool]) -> u8 {
    match word.meaning {
        Meaning::Anchor(detector) if bounded.get(usize::from(detector.0)) == Some(&true) => ALONE,
        // A run of digits is looked at where it begins.
        Meaning::Digit => BEHIND_NO_DIGIT,
        _ => ANYWHERE,
    }
}
