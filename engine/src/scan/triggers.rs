//! Finds where matches could begin: a trie of words with ASCII case folded, built by the compiler, and a gate before it.
//!
//! The gate is a table of what three bytes, and the kind of the byte before them, can begin. It is looked at once for each byte of a
//! text, and no look waits for the last one, as the steps of an automaton do. Nine in ten places begin nothing; from the others the
//! trie is walked.

mod gate;

use super::DetectorId;
use super::dfa::spread;
use alloc::vec::Vec;
use gate::Gate;
use serde::{Deserialize, Serialize};

/// The most states.
pub const MAX_STATES: usize = 0x8000;
/// The bits of a state's number.
const STATE: u16 = 0x7fff;

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
    /// A text where the hosts of URLs should be looked at.
    Url,
    /// A text where words that could be addresses should be looked at.
    Address,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Table {
    classes: Vec<u8>,
    /// The first state, its children and theirs have a row each: there the walks are, nearly always. How many rows there are, how many bits
    /// the width of one takes, and the rows: states, and in the highest bit whether words end there.
    rows: usize,
    shift: u32,
    cells: Vec<u16>,
    /// The first child of each state.
    first: Vec<u16>,
    /// The first of the words of each state, and where the last ends.
    words: Vec<u16>,
    /// The length of the longest word.
    longest: usize,
    gate: Gate,
}

impl Triggers {
    /// Derives the table, and says whether the trie is sound for these detectors and so many groups of context words. `bounded` says of
    /// each detector whether its matches begin with an anchor that stands behind no letter, digit or `_`.
    pub fn prepare(&mut self, bounded: &[bool], groups: usize) -> bool {
        let count = self.children.len();
        if count == 0 {
            return self.ranges.is_empty() && self.words.is_empty();
        }
        let sound = count <= MAX_STATES
            && self.ranges.first().is_some_and(|&(from, _)| from == 0)
            && self.ranges.iter().zip(self.ranges.iter().skip(1)).all(|(a, b)| a.0 < b.0)
            && self.labels.len() == count.saturating_sub(1)
            && self.children.iter().map(|&n| usize::from(n)).sum::<usize>() == self.labels.len()
            && self.words.len() < usize::from(u16::MAX)
            && self.words.iter().zip(self.words.iter().skip(1)).all(|(a, b)| a.0 <= b.0)
            && self.words.iter().all(|&(state, word)| is_sound(state, word, count, bounded.len(), groups));
        sound && self.derive(bounded)
    }

    fn derive(&mut self, bounded: &[bool]) -> bool {
        let mut first = Vec::with_capacity(self.children.len());
        let mut next = 1_usize;
        for (at, &children) in self.children.iter().enumerate() {
            // Children come after their parents, so that there is no cycle.
            if children > 0 && next <= at {
                return false;
            }
            first.push(u16::try_from(next).unwrap_or(u16::MAX));
            next = next.saturating_add(usize::from(children));
        }
        let mut words: Vec<u16> = Vec::with_capacity(self.children.len().saturating_add(1));
        for (&(state, _), at) in self.words.iter().zip(0_u16..) {
            words.resize(words.len().max(usize::from(state).saturating_add(1)), at);
        }
        let all = u16::try_from(self.words.len()).unwrap_or(u16::MAX);
        words.resize(self.children.len().saturating_add(1), all);
        let longest = self.words.iter().map(|(_, word)| usize::from(word.length)).max().unwrap_or(0);
        self.table = Table { classes: spread(&self.ranges), words, first, longest, ..Table::default() };
        self.spread();
        self.table.gate = Gate::new(self, bounded);
        true
    }

    fn spread(&mut self) {
        let widest = self.ranges.iter().map(|&(_, class)| class).chain(self.labels.iter().copied()).max();
        let width = usize::from(widest.unwrap_or(0)).saturating_add(1).next_power_of_two();
        let [_, _, rows, _] = self.levels();
        let mut cells = alloc::vec![0_u16; rows.saturating_mul(width)];
        for state in 0..rows {
            let (labels, first) = self.edges(state);
            for (&class, to) in labels.iter().zip(first..) {
                let ends = u16::from(!self.words_of(usize::from(to)).is_empty()).wrapping_shl(15);
                if let Some(cell) =
                    cells.get_mut(state.saturating_mul(width).saturating_add(usize::from(class)))
                {
                    *cell = to | ends;
                }
            }
        }
        self.table.shift = width.trailing_zeros();
        self.table.rows = rows;
        self.table.cells = cells;
    }

    /// Where the first four levels below the first state begin.
    fn levels(&self) -> [usize; 4] {
        let mut level = 1_usize;
        let mut next = || {
            let this = level;
            level = self.table.first.get(this).map_or(self.children.len(), |&first| usize::from(first));
            this
        };
        [next(), next(), next(), next()]
    }

    /// The classes that lead on from a state, and where the first of them leads to; the others to those after it.
    #[inline(never)]
    fn edges(&self, state: usize) -> (&[u8], u16) {
        let first = self.table.first.get(state).copied().unwrap_or(0);
        let count = usize::from(self.children.get(state).copied().unwrap_or(0));
        let from = usize::from(first).saturating_sub(1);
        (self.labels.get(from..from.saturating_add(count)).unwrap_or_default(), first)
    }

    /// The state after a byte, 0 where there is none, and whether words could end in it.
    #[inline]
    fn step(&self, state: usize, byte: u8) -> (usize, bool) {
        let table = &self.table;
        let class = table.classes.get(usize::from(byte)).copied().unwrap_or(0);
        if state < table.rows {
            let row = state.checked_shl(table.shift).unwrap_or(0);
            let cell = table.cells.get(row | usize::from(class)).copied().unwrap_or(0);
            return (usize::from(cell & STATE), cell > STATE);
        }
        let first = usize::from(table.first.get(state).copied().unwrap_or(0));
        let count = usize::from(self.children.get(state).copied().unwrap_or(0));
        let from = first.saturating_sub(1);
        let labels = self.labels.get(from..from.saturating_add(count)).unwrap_or_default();
        (labels.iter().position(|&label| label == class).map_or(0, |at| first.saturating_add(at)), true)
    }

    /// How large the table is, in bytes.
    pub fn table_bytes(&self) -> usize {
        let rows = self.table.cells.len().saturating_mul(2);
        Gate::BYTES.saturating_add(rows).saturating_add(self.children.len().saturating_mul(6))
    }

    /// Calls `found` with the words in `text` from byte `from` on, where each begins and the byte after it, in the order of their
    /// beginnings. Words that count for nothing where they stand may be left out.
    pub(super) fn run(&self, text: &[u8], from: usize, found: &mut dyn FnMut(Word, usize, usize)) {
        self.table.gate.run(text, from, |start| self.walk(text, start, found));
    }

    /// The same for words that begin with a byte that is not ASCII.
    pub(super) fn run_beyond_ascii(
        &self,
        text: &[u8],
        from: usize,
        found: &mut dyn FnMut(Word, usize, usize),
    ) {
        let mut at = from;
        while let Some(ahead) = text.get(at..).and_then(|rest| rest.iter().position(|byte| !byte.is_ascii()))
        {
            at = at.saturating_add(ahead);
            self.walk(text, at, found);
            at = at.saturating_add(1);
        }
    }

    /// The words that begin at a byte.
    #[inline(never)]
    fn walk(&self, text: &[u8], start: usize, found: &mut dyn FnMut(Word, usize, usize)) {
        let mut state = 0_usize;
        for (&byte, before) in text.get(start..).unwrap_or_default().iter().zip(start..) {
            let (next, ends) = self.step(state, byte);
            if next == 0 {
                return;
            }
            state = next;
            if ends {
                self.words_of(state)
                    .iter()
                    .for_each(|&(_, word)| found(word, start, before.saturating_add(1)));
            }
        }
    }

    fn words_of(&self, state: usize) -> &[(u16, Word)] {
        let place = |state: usize| self.table.words.get(state).map_or(0, |&at| usize::from(at));
        self.words.get(place(state)..place(state.saturating_add(1))).unwrap_or_default()
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
            texts.extend(self.edges(state).0.iter().map(|&class| {
                let mut longer = text.clone();
                longer.push(byte_of(class));
                longer
            }));
        }
        self.words.iter().filter_map(|&(state, _)| texts.get(usize::from(state)).cloned()).collect()
    }

    /// Calls `found` with every word in `text` and the byte after it.
    pub fn each(&self, text: &[u8], mut found: impl FnMut(Word, usize)) {
        self.run(text, 0, &mut |word, _, end| found(word, end));
    }

    /// How many bytes at the end of a text, from byte `from` on, could be the beginning of a word: the most, and then less and less.
    pub(super) fn beginnings(&self, text: &[u8], from: usize) -> Vec<usize> {
        let begins = |start: &usize| {
            let mut state = 0_usize;
            text.get(*start..).unwrap_or_default().iter().all(|&byte| {
                state = self.step(state, byte).0;
                state != 0
            })
        };
        let first = text.len().saturating_sub(self.table.longest).max(from);
        (first..text.len()).filter(begins).map(|start| text.len().saturating_sub(start)).collect()
    }
}

fn is_sound(state: u16, word: Word, states: usize, detectors: usize, groups: usize) -> bool {
    let known = match word.meaning {
        Meaning::Anchor(detector) => usize::from(detector.0) < detectors,
        Meaning::Context(group) => usize::from(group) < groups,
        Meaning::Digit | Meaning::Escape | Meaning::Url | Meaning::Address => true,
    };
    known && word.length > 0 && state > 0 && usize::from(state) < states
}
