//! Finds where matches could begin: an Aho-Corasick automaton over bytes with ASCII case folded (Aho and Corasick, 1975), built by
//! the compiler.
//!
//! A bundle carries the trie with its failure links. When it is loaded, the states next to the start get a dense row each, for that
//! is where a text is nearly always; the deeper ones keep their few edges, and fall back along the links. Digits are words of one
//! byte in it, so that looking for them costs nothing where there are none.

use super::DetectorId;
use super::dfa::spread;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The most states: the number of a state shares two bytes with a flag.
pub const MAX_STATES: usize = 0x8000;
/// How many states have a dense row.
const DENSE: usize = 512;
/// Set in the number of a state that ends a word.
const ENDS: u16 = 0x8000;

/// The words, and what they mean. Empty tables find nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Triggers {
    /// The classes of bytes as ranges: where each begins, and the class of its bytes. Empty, or the first begins at byte 0.
    pub ranges: Vec<(u8, u8)>,
    /// How many children each state has. States are numbered breadth first, so the children of one follow each other, and those of the
    /// next.
    pub children: Vec<u8>,
    /// The class that leads to each state but the first.
    pub labels: Vec<u8>,
    /// The state of the longest proper suffix that is in the trie, for each state.
    pub fails: Vec<u16>,
    /// The words that end in a state, sorted by it.
    pub words: Vec<(u16, Word)>,
    /// What texts are read by. Derived.
    #[serde(skip)]
    table: Table,
}

/// A word, and what it is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Word {
    /// What its occurrence means.
    pub meaning: Meaning,
    /// How long it is, in bytes.
    pub length: u8,
}

/// What the occurrence of a word means.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Meaning {
    /// A match of a detector could begin with it, or with the lead before it.
    Anchor(DetectorId),
    /// It is a context word of a group.
    Context(u8),
    /// It is a digit.
    Digit,
    /// Something is encoded: by percent signs, or by backslashes.
    Escape,
    /// A text where hosts should be looked at.
    Host,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Table {
    classes: Vec<u8>,
    /// How many bits a row's width takes.
    shift: u32,
    cells: Vec<u16>,
    /// How many states have a row.
    rows: u16,
    /// The first child of each state, and how long the text is that leads to it.
    first: Vec<u16>,
    depths: Vec<u8>,
    /// For each state, the first on its way along the links, itself included, that ends a word of its own; 0 for none.
    ends: Vec<u16>,
}

impl Triggers {
    /// Derives the table, and says whether the trie is sound for so many detectors and groups of context words.
    pub fn prepare(&mut self, detectors: usize, groups: usize) -> bool {
        let count = self.children.len();
        if count == 0 {
            return self.ranges.is_empty() && self.words.is_empty();
        }
        let sound = count <= MAX_STATES
            && self.ranges.first().is_some_and(|&(from, _)| from == 0)
            && self.ranges.iter().zip(self.ranges.iter().skip(1)).all(|(a, b)| a.0 < b.0)
            && self.labels.len() == count.saturating_sub(1)
            && self.children.iter().map(|&n| usize::from(n)).sum::<usize>() == self.labels.len()
            && self.fails.len() == count
            && self.words.iter().zip(self.words.iter().skip(1)).all(|(a, b)| a.0 <= b.0)
            && self.words.iter().all(|&(state, word)| is_sound(state, word, count, detectors, groups));
        sound && self.derive()
    }

    fn derive(&mut self) -> bool {
        let count = self.children.len();
        let mut first = Vec::with_capacity(count);
        let mut depths = alloc::vec![0_u8; count];
        let mut next = 1_usize;
        for (at, &children) in self.children.iter().enumerate() {
            // Children come after their parents, so that there is no cycle.
            let end = next.saturating_add(usize::from(children));
            let depth = depths.get(at).copied().unwrap_or(0).saturating_add(1);
            if children > 0 && next <= at {
                return false;
            }
            depths.iter_mut().take(end).skip(next).for_each(|slot| *slot = depth);
            first.push(u16::try_from(next).unwrap_or(u16::MAX));
            next = end;
        }
        // A link leads to a shorter text, so that following them ends.
        let falls = self.fails.iter().zip(&depths).all(|(&fail, &depth)| {
            depths.get(usize::from(fail)).is_some_and(|&of| of < depth || (depth == 0 && fail == 0))
        });
        if !falls {
            return false;
        }
        let mut ends = alloc::vec![0_u16; count];
        for (state, number) in (0..count).zip(0_u16..) {
            let own = self.words_of(number).next().is_some();
            let fail = self.fails.get(state).copied().unwrap_or(0);
            let inherited = ends.get(usize::from(fail)).copied().unwrap_or(0);
            if let Some(slot) = ends.get_mut(state) {
                *slot = if own { number } else { inherited };
            }
        }
        self.table = Table { classes: spread(&self.ranges), first, depths, ends, ..Table::default() };
        self.spread();
        true
    }

    /// Every row is its failure state's, with the state's own edges written over it: breadth first, so the former is there already.
    fn spread(&mut self) {
        let widest = self.ranges.iter().map(|&(_, class)| class).chain(self.labels.iter().copied()).max();
        let width = usize::from(widest.unwrap_or(0)).saturating_add(1).next_power_of_two();
        let rows = self.children.len().min(DENSE);
        let mut cells = alloc::vec![0_u16; rows.saturating_mul(width)];
        for state in 0..rows {
            let row = state.saturating_mul(width);
            let fail = usize::from(self.fails.get(state).copied().unwrap_or(0)).saturating_mul(width);
            if state > 0 && fail < row {
                cells.copy_within(fail..fail.saturating_add(width), row);
            }
            for (class, to) in self.edges(state) {
                if let Some(cell) = cells.get_mut(row.saturating_add(usize::from(class))) {
                    *cell = self.marked(to);
                }
            }
        }
        self.table.shift = width.trailing_zeros();
        self.table.rows = u16::try_from(rows).unwrap_or(0);
        self.table.cells = cells;
    }

    /// The state, with the mark of those that end a word.
    fn marked(&self, state: u16) -> u16 {
        let ends = self.table.ends.get(usize::from(state)).is_some_and(|&of| of != 0);
        if ends { state | ENDS } else { state }
    }

    fn edges(&self, state: usize) -> impl Iterator<Item = (u8, u16)> {
        let first = self.table.first.get(state).copied().unwrap_or(0);
        let count = usize::from(self.children.get(state).copied().unwrap_or(0));
        let labels = self.labels.iter().skip(usize::from(first).saturating_sub(1)).take(count);
        labels.copied().zip(first..)
    }

    /// How large the table is, in bytes.
    pub fn table_bytes(&self) -> usize {
        let wide = self.table.cells.len().saturating_add(self.fails.len().saturating_mul(3));
        wide.saturating_mul(2).saturating_add(self.labels.len().saturating_mul(3))
    }

    /// Calls `found` with every word in `text` and the byte after it; returns the last state.
    pub(super) fn run(&self, text: &[u8], mut found: impl FnMut(Word, usize)) -> u16 {
        let Table { classes, shift, cells, rows, .. } = &self.table;
        let Ok(classes) = <&[u8; 256]>::try_from(classes.as_slice()) else { return 0 };
        let mut state = 0_u16;
        for (at, &byte) in text.iter().enumerate() {
            let class = classes.get(usize::from(byte)).copied().unwrap_or(0);
            let cell = if state < *rows {
                let row = usize::from(state).checked_shl(*shift).unwrap_or(0);
                cells.get(row | usize::from(class)).copied().unwrap_or(0)
            } else {
                self.deep(state, class)
            };
            state = cell & !ENDS;
            if cell != state {
                self.report(state, at.saturating_add(1), &mut found);
            }
        }
        state
    }

    /// The words, in small letters.
    pub fn texts(&self) -> Vec<Vec<u8>> {
        let byte_of = |class: u8| {
            let range = self.ranges.iter().find(|&&(from, of)| of == class && !from.is_ascii_uppercase());
            range.map_or(0, |&(from, _)| from)
        };
        let mut texts: Vec<Vec<u8>> = alloc::vec![Vec::new()];
        for state in 0..self.children.len() {
            let text = texts.get(state).cloned().unwrap_or_default();
            texts.extend(self.edges(state).map(|(class, _)| {
                let mut longer = text.clone();
                longer.push(byte_of(class));
                longer
            }));
        }
        self.words.iter().filter_map(|&(state, _)| texts.get(usize::from(state)).cloned()).collect()
    }

    /// Calls `found` with every word in `text` and the byte after it.
    pub fn each(&self, text: &[u8], found: impl FnMut(Word, usize)) {
        self.run(text, found);
    }

    /// The next state of one without a row.
    #[inline(never)]
    fn deep(&self, mut state: u16, class: u8) -> u16 {
        while state >= self.table.rows {
            if let Some((_, to)) = self.edges(usize::from(state)).find(|&(label, _)| label == class) {
                return self.marked(to);
            }
            state = self.fails.get(usize::from(state)).copied().unwrap_or(0);
        }
        let row = usize::from(state).checked_shl(self.table.shift).unwrap_or(0);
        self.table.cells.get(row | usize::from(class)).copied().unwrap_or(0)
    }

    /// The words that end in a state, the longest first.
    fn report(&self, state: u16, end: usize, found: &mut impl FnMut(Word, usize)) {
        let ends = |state: u16| self.table.ends.get(usize::from(state)).copied().unwrap_or(0);
        let mut at = ends(state);
        while at != 0 {
            self.words_of(at).for_each(|word| found(word, end));
            at = ends(self.fails.get(usize::from(at)).copied().unwrap_or(0));
        }
    }

    fn words_of(&self, state: u16) -> impl Iterator<Item = Word> {
        let first = self.words.partition_point(|&(of, _)| of < state);
        let words = self.words.iter().skip(first);
        words.take_while(move |&&(of, _)| of == state).map(|&(_, word)| word)
    }

    /// How many bytes at the end of a text that ends in `state` could be the beginning of a word: the most, and then less and less.
    pub(super) fn beginnings(&self, state: u16) -> impl Iterator<Item = usize> {
        let mut at = state;
        core::iter::from_fn(move || {
            let depth = self.table.depths.get(usize::from(at)).copied().filter(|&depth| depth > 0)?;
            at = self.fails.get(usize::from(at)).copied().unwrap_or(0);
            Some(usize::from(depth))
        })
    }
}

fn is_sound(state: u16, word: Word, states: usize, detectors: usize, groups: usize) -> bool {
    let known = match word.meaning {
        Meaning::Anchor(detector) => usize::from(detector.0) < detectors,
        Meaning::Context(group) => usize::from(group) < groups,
        Meaning::Digit | Meaning::Escape | Meaning::Host => true,
    };
    known && word.length > 0 && state > 0 && usize::from(state) < states
}
