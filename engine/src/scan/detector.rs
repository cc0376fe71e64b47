//! A detector as data: what follows its anchor, and what must hold of the whole.

use super::MAX_MATCH_LEN;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// An index into the catalogue's detectors.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct DetectorId(pub u16);

/// What is done about a finding; the stricter is the greater.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Action {
    /// The detector does not run.
    Off,
    /// The finding is recorded.
    Alert,
    /// The request is refused.
    Block,
}

impl Action {
    /// The name in policy and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Alert => "alert",
            Self::Block => "block",
        }
    }
}

/// One action for each detector of the catalogue, in its order.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The actions.
    pub actions: Vec<Action>,
}

impl Profile {
    /// What to do about a finding of a detector. A detector that the profile does not know blocks.
    pub fn action(&self, detector: DetectorId) -> Action {
        self.actions.get(usize::from(detector.0)).copied().unwrap_or(Action::Block)
    }
}

/// A detector: an anchor (kept in the automaton), then segments, then checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    /// The stable id, such as `aws-access-key-id`.
    pub id: String,
    /// The anchors as written; one of them stands at the start of every match, in this case.
    pub anchors: Vec<String>,
    /// What follows the anchor.
    pub segments: Vec<Segment>,
    /// Whether the match may not be a part of a longer word: no letter, digit or `_` stands next to it.
    pub whole_word: bool,
    /// The least Shannon entropy of what follows the anchor, in sixteenths of a bit per byte; 0 asks for none.
    pub min_entropy: u8,
}

/// A run of text. Runs are greedy and never give back; the compiler refuses programs where that would matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Segment {
    /// Exactly these bytes.
    Literal(Vec<u8>),
    /// From `min` to `max` bytes of a set.
    Run {
        /// The bytes.
        set: ByteSet,
        /// The fewest.
        min: u16,
        /// The most.
        max: u16,
    },
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct ByteSet([u32; 8]);

impl ByteSet {
    /// Adds a byte.
    pub fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 5)) {
            *word |= 1_u32.rotate_left(u32::from(byte & 31));
        }
    }

    /// Whether the set holds a byte.
    pub fn contains(&self, byte: u8) -> bool {
        self.0
            .get(usize::from(byte >> 5))
            .is_some_and(|word| word.rotate_right(u32::from(byte & 31)) & 1 == 1)
    }

    /// Whether some byte is in both sets.
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }
}

impl Detector {
    /// Reads on after an anchor at `start..end`; the end of the match, if there is one.
    pub(super) fn verify(&self, text: &[u8], start: usize, end: usize) -> Option<usize> {
        let anchor = text.get(start..end)?;
        if !self.anchors.iter().any(|known| known.as_bytes() == anchor) {
            return None;
        }
        let limit = text.len().min(start.saturating_add(MAX_MATCH_LEN));
        let mut at = end;
        for segment in &self.segments {
            at = segment.read(text.get(..limit)?, at)?;
        }
        let alone =
            !self.whole_word || (!is_word_before(text, start) && !text.get(at).is_some_and(|&b| is_word(b)));
        (alone && entropy(text.get(end..at)?) >= u32::from(self.min_entropy)).then_some(at)
    }
}

impl Segment {
    fn read(&self, text: &[u8], at: usize) -> Option<usize> {
        let rest = text.get(at..)?;
        match self {
            Self::Literal(literal) => rest.starts_with(literal).then(|| at.saturating_add(literal.len())),
            Self::Run { set, min, max } => {
                let length = rest.iter().take(usize::from(*max)).take_while(|&&b| set.contains(b)).count();
                (length >= usize::from(*min)).then(|| at.saturating_add(length))
            }
        }
    }
}

fn is_word_before(text: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(|&b| is_word(b))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `n·log2(n)` in 1/4096 bit for n from 0 to 16; larger counts are built from these. Integers, so that native and wasm agree.
const N_LOG_N: [u32; 17] = [
    0, 0, 8192, 19476, 32768, 47553, 63528, 80492, 98304, 116856, 136066, 155868, 176208, 197041, 218329,
    240039, 262144,
];

/// Shannon entropy in sixteenths of a bit per byte, rounded down, over the first 255 bytes.
fn entropy(text: &[u8]) -> u32 {
    let text = text.get(..text.len().min(255)).unwrap_or_default();
    let mut counts = [0_u32; 256];
    for &byte in text {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count = count.saturating_add(1);
        }
    }
    let total = u32::try_from(text.len()).unwrap_or(0);
    let spread = counts.iter().fold(0_u32, |sum, &count| sum.saturating_add(n_log_n(count)));
    // H = log2(N) − Σ n·log2(n) / N, and 4096 / 16 = 256.
    n_log_n(total).saturating_sub(spread).checked_div(total).unwrap_or(0).checked_div(256).unwrap_or(0)
}

/// `n·log2(n)` in 1/4096 bit: from the table, and beyond it by halving (`2n·log2(2n) = 2(n·log2(n) + n)`).
fn n_log_n(n: u32) -> u32 {
    if let Some(&value) = usize::try_from(n).ok().and_then(|n| N_LOG_N.get(n)) {
        return value;
    }
    let half = n >> 1;
    let even = n_log_n(half).saturating_add(half.saturating_mul(4096)).saturating_mul(2);
    if n & 1 == 0 {
        return even;
    }
    let next = half.saturating_add(1);
    let above = n_log_n(next).saturating_add(next.saturating_mul(4096)).saturating_mul(2);
    even.saturating_add(above) >> 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_agrees_with_floating_point() {
        let exact = |text: &[u8]| {
            let n = text.len() as f64;
            let mut counts = [0_u32; 256];
            text.iter().for_each(|&b| counts[usize::from(b)] += 1);
            let bits: f64 = counts
                .iter()
                .filter(|&&c| c > 0)
                .map(|&c| -(f64::from(c) / n) * (f64::from(c) / n).log2())
                .sum();
            bits * 16.0
        };
        let long: Vec<u8> = (0..255).collect();
        for text in [
            &b"IOSFODNN7EXAMPLE"[..],
            b"aaaaaaaaaaaaaaaaaaaaaaaa",
            b"0123456789abcdef0123456789abcdef",
            b"ab",
            &long,
        ] {
            let difference = f64::from(entropy(text)) - exact(text);
            assert!((-1.1..=0.1).contains(&difference), "{text:?}: {} {}", entropy(text), exact(text));
        }
        assert_eq!((entropy(b""), entropy(b"a")), (0, 0));
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = ByteSet::default();
        [0, 31, 32, b'A', 255].into_iter().for_each(|b| set.insert(b));
        let held: Vec<u8> = (0..=255).filter(|&b| set.contains(b)).collect();
        assert_eq!(held, [0, 31, 32, b'A', 255]);
    }

    #[test]
    fn a_run_is_bounded_and_words_stand_alone() {
        let mut set = ByteSet::default();
        (b'A'..=b'Z').for_each(|b| set.insert(b));
        let detector = Detector {
            id: "test".into(),
            anchors: ["KEY-".into()].into(),
            segments: [Segment::Run { set, min: 3, max: 4 }].into(),
            whole_word: true,
            min_entropy: 0,
        };
        let found = |text: &str| {
            detector.verify(text.as_bytes(), text.find("KEY-").unwrap(), text.find("KEY-").unwrap() + 4)
        };
        assert_eq!(found("KEY-ABC"), Some(7));
        assert_eq!(found("xx KEY-ABCD."), Some(11));
        assert_eq!(found("KEY-AB"), None);
        assert_eq!(found("KEY-ABCDE"), None);
        assert_eq!(found("xKEY-ABC"), None);
    }
}
