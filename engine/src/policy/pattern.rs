//! Text patterns as tables: a deterministic automaton that reads a whole text, compiled ahead.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// An automaton over bytes. It matches whole texts only, in one step a byte.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// The class of each byte: 256 entries.
    pub classes: Vec<u8>,
    /// How many classes there are: the width of a row.
    pub width: u16,
    /// `states × width` next states; the first state is the start.
    pub next: Vec<u16>,
    /// For each state, whether a text may end there.
    pub accepts: Vec<bool>,
}

impl Pattern {
    /// Whether the whole of a text is covered.
    pub fn matches(&self, text: &str) -> bool {
        let width = usize::from(self.width);
        let step = |state: u16, byte: u8| {
            let class = self.classes.get(usize::from(byte))?;
            self.next.get(usize::from(state).checked_mul(width)?.checked_add(usize::from(*class))?).copied()
        };
        let last = text.bytes().try_fold(0_u16, step);
        last.and_then(|state| self.accepts.get(usize::from(state)).copied()).unwrap_or(false)
    }

    /// Whether every index in the tables holds.
    pub(super) fn is_sound(&self) -> bool {
        let (width, states) = (usize::from(self.width), self.accepts.len());
        self.classes.len() == 256
            && self.classes.iter().all(|&class| u16::from(class) < self.width)
            && states > 0
            && self.next.len() == states.saturating_mul(width)
            && self.next.iter().all(|&state| usize::from(state) < states)
    }
}
