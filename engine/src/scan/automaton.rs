//! An Aho-Corasick automaton as a dense table (Aho and Corasick, 1975), built by the compiler.
//!
//! Bytes are mapped to classes first, with ASCII case folded, so that a state's row is as wide as the anchors' alphabet.

use super::DetectorId;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The tables. Empty tables find nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Automaton {
    /// The class of each byte: 256 entries, or none.
    pub classes: Vec<u8>,
    /// The width of a row: at least as many as there are classes. The compiler makes it a power of two: finding a row's state is a
    /// shift then, and a division otherwise.
    pub width: u16,
    /// `states × width` next states, each as the offset of its row; the first row is the start.
    pub next: Vec<u32>,
    /// For each state, where its anchors begin in `ends`; one entry more than there are states.
    pub ends_at: Vec<u32>,
    /// The anchors that end in each state.
    pub ends: Vec<Anchor>,
}

/// An anchor of a detector.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Anchor {
    /// Whose.
    pub detector: DetectorId,
    /// How long, in bytes.
    pub length: u8,
}

impl Automaton {
    /// Calls `found` with every anchor in `text` and the byte after it.
    pub(super) fn run(&self, text: &[u8], mut found: impl FnMut(Anchor, usize)) {
        if self.width == 0 {
            return;
        }
        let shift = self.width.is_power_of_two().then(|| self.width.trailing_zeros());
        let state_of = |row: usize| match shift {
            Some(shift) => row.checked_shr(shift),
            None => row.checked_div(usize::from(self.width)),
        };
        let mut row = 0_usize;
        for (at, &byte) in text.iter().enumerate() {
            let class = self.classes.get(usize::from(byte)).copied().unwrap_or(0);
            let cell = row.saturating_add(usize::from(class));
            row = self.next.get(cell).map_or(0, |&next| index(next));
            if row == 0 {
                continue;
            }
            for &anchor in self.ends_of(state_of(row).unwrap_or(0)) {
                found(anchor, at.saturating_add(1));
            }
        }
    }

    fn ends_of(&self, state: usize) -> &[Anchor] {
        let bound = |state: usize| self.ends_at.get(state).map_or(0, |&at| index(at));
        self.ends.get(bound(state)..bound(state.saturating_add(1))).unwrap_or_default()
    }

    /// Whether every index in the tables holds.
    pub(super) fn is_sound(&self, detectors: usize) -> bool {
        let width = usize::from(self.width);
        if width == 0 {
            return self.classes.is_empty() && self.next.is_empty() && self.ends.is_empty();
        }
        let states = self.next.len().checked_div(width).unwrap_or(0);
        let whole = self.next.len() == states.saturating_mul(width);
        let rows = self.next.iter().all(|&row| {
            let row = index(row);
            row < self.next.len() && row.checked_rem(width) == Some(0)
        });
        let classes =
            self.classes.len() == 256 && self.classes.iter().all(|&class| u16::from(class) < self.width);
        let starts = self.ends_at.iter().zip(self.ends_at.iter().skip(1)).all(|(a, b)| a <= b)
            && self.ends_at.len() == states.saturating_add(1)
            && self.ends_at.last().is_some_and(|&last| index(last) == self.ends.len());
        let anchors =
            self.ends.iter().all(|anchor| usize::from(anchor.detector.0) < detectors && anchor.length > 0);
        whole && rows && classes && starts && anchors
    }
}

fn index(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
