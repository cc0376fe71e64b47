//! Finds where matches could begin: a trie of words with ASCII case folded, built by the compiler, and a gate before it.
//!
//! The gate tells where a word could begin, by its first five bytes and by what stands before it, for a block of bytes at a time and
//! without a branch: no look waits for the last one, as the steps of an automaton do. One place in sixty passes; from there the trie
//! is walked. Runs of digits are told of together with the words, in the order of the text.

mod gate;

use super::DetectorId;
use super::dfa::spread;
use super::digits::{Digits, Runs};
use alloc::vec::Vec;
use gate::Gate;
use serde::{Deserialize, Serialize};

/// How many bytes are looked at together: a bit each.
pub(super) const BLOCK: usize = 64;
/// The most states.
pub const MAX_STATES: usize = 0x8000;

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
    /// Something is encoded: by percent signs, or by backslashes.
    Escape,
    /// A text where the hosts of URLs should be looked at.
    Url,
    /// A text where words that could be addresses should be looked at.
    Address,
}

/// What makes a pass look closer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trigger {
    Word(Meaning),
    /// A run of digits, which could begin matches of these detectors of [`Digits`].
    Digits(u128),
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Table {
    classes: Vec<u8>,
    /// The byte of each class that leads to a state, in small letters.
    letters: Vec<u8>,
    /// The first state's child for each class: it has many.
    roots: Vec<u16>,
    nodes: Vec<Node>,
    /// The first of the words of each state, and where the last ends.
    words: Vec<u16>,
    /// The length of the longest word.
    longest: usize,
    gate: Gate,
}

/// What a walk asks of a state, side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Node {
    /// The first child.
    first: u16,
    children: u8,
    /// Whether words end here.
    ends: bool,
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
        let mut nodes = Vec::with_capacity(self.children.len());
        let mut next = 1_usize;
        for (at, &children) in self.children.iter().enumerate() {
            // Children come after their parents, so that there is no cycle.
            if children > 0 && next <= at {
                return false;
            }
            let first = u16::try_from(next).unwrap_or(u16::MAX);
            nodes.push(Node { first, children, ends: false });
            next = next.saturating_add(usize::from(children));
        }
        let mut words: Vec<u16> = Vec::with_capacity(self.children.len().saturating_add(1));
        for (&(state, _), at) in self.words.iter().zip(0_u16..) {
            words.resize(words.len().max(usize::from(state).saturating_add(1)), at);
        }
        let all = u16::try_from(self.words.len()).unwrap_or(u16::MAX);
        words.resize(self.children.len().saturating_add(1), all);
        for (node, (from, to)) in nodes.iter_mut().zip(words.iter().zip(words.iter().skip(1))) {
            node.ends = from < to;
        }
        let longest = self.words.iter().map(|(_, word)| usize::from(word.length)).max().unwrap_or(0);
        let classes = spread(&self.ranges);
        let Some(letters) = self.letters(&classes).filter(|_| self.lengths_fit(&nodes)) else { return false };
        self.table = Table { classes, words, nodes, longest, ..Table::default() };
        self.table.roots = self.roots();
        self.table.gate = Gate::new(self, &letters, bounded);
        self.table.letters = letters;
        true
    }

    /// The byte of each class, in small letters; none if a class that leads to a state has several, or only one case of a letter.
    fn letters(&self, classes: &[u8]) -> Option<Vec<u8>> {
        let class_of = |byte: u8| classes.get(usize::from(byte)).copied();
        let mut letters: Vec<Option<u8>> = alloc::vec![None; 256];
        let mut unfit = [false; 256];
        for (byte, &class) in (0..=u8::MAX).zip(classes) {
            let small = byte.to_ascii_lowercase();
            let letter = letters.get_mut(usize::from(class))?.get_or_insert(small);
            *unfit.get_mut(usize::from(class))? |= *letter != small || class_of(small) != Some(class);
            *unfit.get_mut(usize::from(class_of(small)?))? |= class_of(small) != Some(class);
        }
        let is_unfit = |label: &u8| unfit.get(usize::from(*label)) == Some(&true);
        let letters = letters.into_iter().map(Option::unwrap_or_default).collect();
        (!self.labels.iter().any(is_unfit)).then_some(letters)
    }

    /// Whether each word is as long as the way to its state.
    fn lengths_fit(&self, nodes: &[Node]) -> bool {
        let mut depths = alloc::vec![0_usize; nodes.len()];
        for (state, node) in nodes.iter().enumerate() {
            let below = depths.get(state).map_or(1, |depth| depth.saturating_add(1));
            let first = usize::from(node.first);
            let children = depths.get_mut(first..first.saturating_add(usize::from(node.children)));
            children.unwrap_or_default().fill(below);
        }
        let fits = |&(state, word): &(u16, Word)| {
            depths.get(usize::from(state)).is_some_and(|&depth| depth == usize::from(word.length))
        };
        self.words.iter().all(fits)
    }

    fn roots(&self) -> Vec<u16> {
        let mut roots = alloc::vec![0; 256];
        let (labels, first) = self.edges(0);
        for (&class, to) in labels.iter().zip(first..) {
            if let Some(root) = roots.get_mut(usize::from(class)) {
                *root = to;
            }
        }
        roots
    }

    /// Where the first six levels below the first state begin.
    fn levels(&self) -> [usize; 6] {
        let mut level = 1_usize;
        let mut next = || {
            let this = level;
            level = self.table.nodes.get(this).map_or(self.children.len(), |node| usize::from(node.first));
            this
        };
        [next(), next(), next(), next(), next(), next()]
    }

    /// The classes that lead on from a state, and where the first of them leads to; the others to those after it.
    #[inline(never)]
    fn edges(&self, state: usize) -> (&[u8], u16) {
        let Node { first, children, .. } = self.table.nodes.get(state).copied().unwrap_or_default();
        let from = usize::from(first).saturating_sub(1);
        let to = from.saturating_add(usize::from(children));
        (self.labels.get(from..to).unwrap_or_default(), first)
    }

    /// The state after a byte, 0 where there is none.
    #[inline]
    fn step(&self, state: usize, node: Node, byte: u8) -> usize {
        let table = &self.table;
        let class = table.classes.get(usize::from(byte)).copied().unwrap_or(0);
        if state == 0 {
            return table.roots.get(usize::from(class)).copied().map_or(0, usize::from);
        }
        let (mut to, mut left) = (usize::from(node.first), node.children);
        while left > 0 {
            if self.labels.get(to.saturating_sub(1)) == Some(&class) {
                return to;
            }
            (to, left) = (to.saturating_add(1), left.saturating_sub(1));
        }
        0
    }

    /// How large the table is, in bytes.
    pub(super) fn table_bytes(&self) -> usize {
        let roots = self.table.roots.len().saturating_mul(2);
        Gate::BYTES.saturating_add(roots).saturating_add(self.children.len().saturating_mul(8))
    }

    /// Calls `found` with the words in `text` from byte `from` on, where each begins and the byte after it, in the order of their
    /// beginnings; and with runs of digits that could begin something. Words that count for nothing where they stand may be left out.
    pub(super) fn run(
        &self,
        text: &[u8],
        from: usize,
        digits: Option<Digits<'_>>,
        found: &mut dyn FnMut(Trigger, usize, usize),
    ) {
        let mut from = from;
        while from < text.len() {
            let words = self.table.gate.words(text, from);
            let runs = if digits.is_some() { Runs::of(text, from) } else { Runs::NONE };
            let mut left = words | runs.begins;
            while left != 0 {
                let place = left.trailing_zeros();
                let at = from.saturating_add(usize::try_from(place).unwrap_or(0));
                if let Some(digits) = digits.filter(|_| runs.begins.wrapping_shr(place) & 1 == 1) {
                    let end = runs.end(text, at, place);
                    let detectors = digits.at(text, (at, end));
                    if detectors != 0 {
                        found(Trigger::Digits(detectors), at, end);
                    }
                }
                if words.wrapping_shr(place) & 1 == 1 {
                    self.walk(text, at, found);
                }
                left &= left.wrapping_sub(1);
            }
            from = from.saturating_add(BLOCK);
        }
    }

    /// The same for words that begin with a byte that is not ASCII.
    pub(super) fn run_beyond_ascii(
        &self,
        text: &[u8],
        from: usize,
        found: &mut dyn FnMut(Trigger, usize, usize),
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
    fn walk(&self, text: &[u8], start: usize, found: &mut dyn FnMut(Trigger, usize, usize)) {
        let known = self.table.gate.state(text, start);
        let (mut state, mut end) = known.map_or((0, start), |state| (state, start.saturating_add(2)));
        loop {
            let node = self.table.nodes.get(state).copied().unwrap_or_default();
            if node.ends {
                for &(_, Word { meaning, .. }) in self.words_of(state) {
                    found(Trigger::Word(meaning), start, end);
                }
            }
            let Some(&byte) = text.get(end) else { return };
            state = self.step(state, node, byte);
            if state == 0 {
                return;
            }
            end = end.saturating_add(1);
        }
    }

    fn words_of(&self, state: usize) -> &[(u16, Word)] {
        let place = |state: usize| self.table.words.get(state).map_or(0, |&at| usize::from(at));
        self.words.get(place(state)..place(state.saturating_add(1))).unwrap_or_default()
    }

    /// The words, in small letters.
    pub fn texts(&self) -> Vec<Vec<u8>> {
        let byte_of = |class: u8| self.table.letters.get(usize::from(class)).copied().unwrap_or(0);
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
    pub fn each(&self, text: &[u8], mut found: impl FnMut(Meaning, usize)) {
        self.run(text, 0, None, &mut |trigger, _, end| {
            if let Trigger::Word(meaning) = trigger {
                found(meaning, end);
            }
        });
    }

    /// How many bytes at the end of a text, from byte `from` on, could be the beginning of a word: the most, and then less and less.
    pub(super) fn beginnings(&self, text: &[u8], from: usize) -> Vec<usize> {
        let begins = |start: &usize| {
            let mut state = 0_usize;
            text.get(*start..).unwrap_or_default().iter().all(|&byte| {
                let node = self.table.nodes.get(state).copied().unwrap_or_default();
                state = self.step(state, node, byte);
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
        Meaning::Escape | Meaning::Url | Meaning::Address => true,
    };
    known && word.length > 0 && state > 0 && usize::from(state) < states
}
