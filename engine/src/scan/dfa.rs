//! What a detector's match looks like, as a small table: an automaton that reads on from where a match would begin.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The state that nothing leads out of.
const DEAD: u8 = 0;
/// The state before the first byte.
const START: u8 = 1;

/// A deterministic automaton over bytes, of at most 256 states. State 0 is dead, state 1 the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dfa {
    /// The classes of bytes as ranges: where each range begins, and the class of its bytes. The first begins at byte 0.
    pub ranges: Vec<(u8, u8)>,
    /// The width of a row: how many classes there are.
    pub width: u16,
    /// `states × width` next states.
    pub next: Vec<u8>,
    /// The states where a match may end, sorted.
    pub accepts: Vec<u8>,
    /// The ranges spread out, and for each state whether a match may end there. Derived.
    #[serde(skip)]
    spread: Spread,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Spread {
    classes: Vec<u8>,
    accepts: Vec<bool>,
}

/// How far an automaton has read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reading {
    /// The byte after the longest match, if there is one.
    pub matched: Option<usize>,
    /// The byte after the last one that was looked at.
    pub read: usize,
    /// Whether the text ended while a longer match was still possible.
    pub alive: bool,
}

impl Dfa {
    /// An automaton from its tables.
    pub fn new(ranges: Vec<(u8, u8)>, width: u16, next: Vec<u8>, accepts: Vec<u8>) -> Self {
        let mut dfa = Self { ranges, width, next, accepts, spread: Spread::default() };
        dfa.prepare();
        dfa
    }

    /// How large the tables are that texts are read by, in bytes.
    pub(super) fn table_bytes(&self) -> usize {
        self.next.len().saturating_add(self.spread.classes.len()).saturating_add(self.spread.accepts.len())
    }

    /// Derives what is not carried, and says whether the tables are sound.
    pub(super) fn prepare(&mut self) -> bool {
        let width = usize::from(self.width);
        let states = self.next.len().checked_div(width).unwrap_or(0);
        let sound = states > usize::from(START)
            && self.next.len() == states.saturating_mul(width)
            && self.next.iter().all(|&state| usize::from(state) < states)
            && self.next.iter().take(width).all(|&state| state == DEAD)
            && self.accepts.iter().all(|&state| state != DEAD && usize::from(state) < states)
            && self.ranges.first().is_some_and(|&(from, _)| from == 0)
            && self.ranges.iter().all(|&(_, class)| u16::from(class) < self.width)
            && self.ranges.iter().zip(self.ranges.iter().skip(1)).all(|(a, b)| a.0 < b.0);
        if sound {
            self.spread = Spread { classes: spread(&self.ranges), accepts: alloc::vec![false; states] };
            for &state in &self.accepts {
                if let Some(accepts) = self.spread.accepts.get_mut(usize::from(state)) {
                    *accepts = true;
                }
            }
        }
        sound
    }

    /// Reads from `start` on, no further than `limit`, until nothing longer can match.
    pub(super) fn read(&self, text: &[u8], start: usize, limit: usize) -> Reading {
        let mut state = START;
        let mut matched = self.accepts_in(state).then_some(start);
        let end = text.len().min(limit);
        for (&byte, at) in text.get(start..end).unwrap_or_default().iter().zip(start..) {
            state = self.step(state, byte);
            if state == DEAD {
                return Reading { matched, read: at.saturating_add(1), alive: false };
            }
            if self.accepts_in(state) {
                matched = Some(at.saturating_add(1));
            }
        }
        Reading { matched, read: end, alive: end == text.len() && end < limit }
    }

    /// The state after a byte.
    pub fn step(&self, state: u8, byte: u8) -> u8 {
        let class = self.spread.classes.get(usize::from(byte)).copied().unwrap_or(0);
        let row = usize::from(state).saturating_mul(usize::from(self.width));
        self.next.get(row.saturating_add(usize::from(class))).copied().unwrap_or(DEAD)
    }

    /// Whether a match may end in a state.
    pub fn accepts_in(&self, state: u8) -> bool {
        self.spread.accepts.get(usize::from(state)).copied().unwrap_or(false)
    }

    /// The state before the first byte.
    pub fn start(&self) -> u8 {
        START
    }
}

/// The class of each byte, from ranges.
pub(super) fn spread(ranges: &[(u8, u8)]) -> Vec<u8> {
    let mut classes = alloc::vec![0; 256];
    for &(from, class) in ranges {
        classes.iter_mut().skip(usize::from(from)).for_each(|slot| *slot = class);
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ab+`, over the classes other, a, b.
    fn dfa() -> Dfa {
        let ranges = [(0, 0), (b'a', 1), (b'b', 2), (b'c', 0)].into();
        Dfa::new(ranges, 3, [0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 3].into(), [3].into())
    }

    #[test]
    fn the_longest_match_counts() {
        let dfa = dfa();
        assert_eq!(dfa.read(b"xabbbc", 1, 100), Reading { matched: Some(5), read: 6, alive: false });
        assert_eq!(dfa.read(b"xabb", 1, 100), Reading { matched: Some(4), read: 4, alive: true });
        assert_eq!(dfa.read(b"xabb", 1, 3), Reading { matched: Some(3), read: 3, alive: false });
        assert_eq!(dfa.read(b"xabb", 0, 100), Reading { matched: None, read: 1, alive: false });
        assert_eq!(dfa.read(b"a", 0, 100), Reading { matched: None, read: 1, alive: true });
        assert_eq!(dfa.read(b"", 0, 100), Reading { matched: None, read: 0, alive: true });
    }

    #[test]
    fn unsound_tables_are_noticed() {
        assert!(dfa().prepare());
        for break_it in [
            |dfa: &mut Dfa| dfa.next.truncate(3),
            |dfa: &mut Dfa| dfa.next.push(0),
            |dfa: &mut Dfa| dfa.next[4] = 9,
            |dfa: &mut Dfa| dfa.next[0] = 1,
            |dfa: &mut Dfa| dfa.accepts.push(0),
            |dfa: &mut Dfa| dfa.ranges.clear(),
            |dfa: &mut Dfa| dfa.ranges.swap(1, 2),
            |dfa: &mut Dfa| dfa.ranges[1].1 = 3,
            |dfa: &mut Dfa| dfa.width = 0,
        ] {
            let mut dfa = dfa();
            break_it(&mut dfa);
            assert!(!dfa.prepare(), "{dfa:?}");
        }
    }
}
