//! What three bytes, and the kind of the byte before them, can begin: a table that is right when it says nothing.

use super::{Meaning, Triggers, Word};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// How many classes of bytes are told apart; the last is for bytes that are in no word's first three, the one before for those that found
/// no class of their own.
const CLASSES: usize = 64;
const CLASS: u16 = 0x3f;
const OTHER: u16 = 63;
const REST: u16 = 62;
/// The kind of a byte stands above two classes: anything else, a letter, a digit, `_`.
const KIND: u16 = 0x3000;
const LETTER: u16 = 0x1000;
const DIGIT: u16 = 0x2000;
const LOW_LINE: u16 = 0x3000;
/// Kind, first class, second class.
const CELLS: usize = 4 * CLASSES * CLASSES;
/// Behind which kinds a word counts, a bit each.
const ANYWHERE: u8 = 0b1111;
const ALONE: u8 = 0b0001;
const BEHIND_NO_DIGIT: u8 = 0b1011;
/// How deep in the trie the table knows words.
const DEPTH: usize = 3;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Gate(Option<Box<Tables>>);

#[derive(Clone, Debug, PartialEq)]
struct Tables {
    /// The class and the kind of each byte.
    bytes: [u16; 256],
    /// A bit for each third class.
    cells: Box<[u64; CELLS]>,
}

impl Gate {
    pub(super) const BYTES: usize = CELLS * size_of::<u64>() + size_of::<Tables>();

    pub(super) fn new(triggers: &Triggers, bounded: &[bool]) -> Self {
        let Ok(cells) = alloc::vec![0_u64; CELLS].into_boxed_slice().try_into() else { return Self(None) };
        let (bytes, classes) = classes(triggers);
        let mut tables = Tables { bytes, cells };
        let kinds = kinds(triggers, bounded);
        let class = |label: u8| classes.get(usize::from(label)).copied().unwrap_or(OTHER);
        for (a, first) in triggers.edges(0) {
            let own = own_kinds(triggers, first, bounded);
            (0..=CLASS).for_each(|second| tables.open(own, class(a), second, u64::MAX));
            for (b, second) in triggers.edges(usize::from(first)) {
                tables.open(own_kinds(triggers, second, bounded), class(a), class(b), u64::MAX);
                for (c, third) in triggers.edges(usize::from(second)) {
                    let bit = 1_u64.wrapping_shl(u32::from(class(c)));
                    let kinds = kinds.get(usize::from(third)).copied().unwrap_or(ANYWHERE);
                    tables.open(kinds, class(a), class(b), bit);
                }
            }
        }
        Self(Some(Box::new(tables)))
    }

    /// Calls `pass` with each byte from `from` on where a word could begin.
    pub(super) fn run(&self, text: &[u8], from: usize, mut pass: impl FnMut(usize)) {
        let Some(tables) = &self.0 else { return };
        let Tables { bytes, cells } = &**tables;
        let read = |byte: Option<&u8>| byte.map_or(OTHER, |&byte| tables.read(byte));
        let before = from.checked_sub(1).and_then(|at| text.get(at));
        let rest = text.get(from..).unwrap_or_default();
        let (mut kind, mut first, mut second) = (read(before), read(rest.first()), read(rest.get(1)));
        let begins = |kind: u16, first: u16, second: u16, third: u16| {
            let cell = (kind & KIND) | (first & CLASS).wrapping_shl(6) | (second & CLASS);
            let bits = cells.get(usize::from(cell)).copied().unwrap_or(0);
            bits.wrapping_shr(u32::from(third & CLASS)) & 1 == 1
        };
        let mut at = from;
        for &byte in rest.get(2..).unwrap_or_default() {
            let third = bytes.get(usize::from(byte)).copied().unwrap_or(OTHER);
            if begins(kind, first, second, third) {
                pass(at);
            }
            (kind, first, second) = (first, second, third);
            at = at.wrapping_add(1);
        }
        // What begins with the last two bytes is short, or is not there.
        while at < text.len() {
            if begins(kind, first, second, OTHER) {
                pass(at);
            }
            (kind, first, second) = (first, second, OTHER);
            at = at.wrapping_add(1);
        }
    }
}

impl Tables {
    fn read(&self, byte: u8) -> u16 {
        self.bytes.get(usize::from(byte)).copied().unwrap_or(OTHER)
    }

    /// Lets two classes pass behind these kinds, where one of the third classes follows.
    fn open(&mut self, kinds: u8, first: u16, second: u16, third: u64) {
        let pair = first.wrapping_shl(6) | second;
        for (bit, kind) in [(1, 0), (2, LETTER), (4, DIGIT), (8, LOW_LINE)] {
            if kinds & bit == 0 {
                continue;
            }
            if let Some(cell) = self.cells.get_mut(usize::from(pair | kind)) {
                *cell |= third;
            }
        }
    }
}

/// What is read for each byte, and the class of each class of the trie.
fn classes(triggers: &Triggers) -> ([u16; 256], Vec<u16>) {
    let spread = &triggers.table.classes;
    let used = used(triggers);
    let is_used = |byte: u8| spread.get(usize::from(byte)).is_some_and(|&class| used.contains(&class));
    let mut of = alloc::vec![OTHER; 256];
    let (mut next, mut digits, mut controls, mut beyond) = (0_u16, None, None, None);
    for byte in 0..=u8::MAX {
        let shared = match byte {
            // Numbers are told from `0x` and the like by their first digits.
            b'2'..=b'9' => Some(&mut digits),
            ..b' ' => Some(&mut controls),
            0x80.. => Some(&mut beyond),
            _ => None,
        };
        let Some(&class) =
            spread.get(usize::from(byte)).filter(|_| is_used(byte) && !byte.is_ascii_uppercase())
        else {
            continue;
        };
        let known = shared.as_ref().and_then(|shared| **shared);
        let mine = known.unwrap_or(next.min(REST));
        if known.is_none() {
            next = next.saturating_add(1);
        }
        if let Some(shared) = shared {
            *shared = Some(mine);
        }
        if let Some(slot) = of.get_mut(usize::from(class)) {
            *slot = mine;
        }
    }
    let mut bytes = [OTHER; 256];
    for (slot, byte) in bytes.iter_mut().zip(0..=u8::MAX) {
        let class = spread.get(usize::from(byte)).and_then(|&class| of.get(usize::from(class)));
        *slot = class.copied().unwrap_or(OTHER) | kind(byte);
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

/// The classes of the trie that are among the first three of a word.
fn used(triggers: &Triggers) -> Vec<u8> {
    let mut used = Vec::new();
    let mut level = alloc::vec![0_u16];
    for _ in 0..DEPTH {
        let edges: Vec<(u8, u16)> =
            level.iter().flat_map(|&state| triggers.edges(usize::from(state))).collect();
        used.extend(edges.iter().map(|&(class, _)| class));
        level = edges.into_iter().map(|(_, to)| to).collect();
    }
    used.sort_unstable();
    used.dedup();
    used
}

/// Behind which kinds of bytes the words of each state and of those below it count.
fn kinds(triggers: &Triggers, bounded: &[bool]) -> Vec<u8> {
    let mut kinds: Vec<u8> = Vec::new();
    // Children come after their parents: the last first, and their kinds are there.
    let count = u16::try_from(triggers.children.len()).unwrap_or(u16::MAX);
    kinds.resize(usize::from(count), 0);
    for state in (0..count).rev() {
        let below = triggers.edges(usize::from(state));
        let below = below.fold(0, |all, (_, to)| all | kinds.get(usize::from(to)).copied().unwrap_or(0));
        if let Some(slot) = kinds.get_mut(usize::from(state)) {
            *slot = below | own_kinds(triggers, state, bounded);
        }
    }
    kinds
}

fn own_kinds(triggers: &Triggers, state: u16, bounded: &[bool]) -> u8 {
    triggers.words_of(usize::from(state)).iter().fold(0, |all, &(_, Word { meaning, .. })| {
        all | match meaning {
            Meaning::Anchor(detector) if bounded.get(usize::from(detector.0)) == Some(&true) => ALONE,
            // A run of digits is looked at where it begins.
            Meaning::Digit => BEHIND_NO_DIGIT,
            Meaning::Anchor(_) | Meaning::Context(_) | Meaning::Escape | Meaning::Url | Meaning::Address => {
                ANYWHERE
            }
        }
    })
}
