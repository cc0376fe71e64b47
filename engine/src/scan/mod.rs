//! Finding secrets in text, by tables that were compiled ahead.
//!
//! One automaton looks for every detector's anchors at once, byte by byte; where an anchor stands, the detector's verifier reads
//! on from there. Neither backtracks: the cost is linear in the text, apart from verifiers, which are bounded by
//! [`MAX_MATCH_LEN`].

mod automaton;
mod channel;
mod checks;
mod detector;
mod entropy;
mod fold;
pub mod hosts;
mod inspect;
mod placeholder;

pub use automaton::{Anchor, Automaton};
pub use checks::Check;
pub(crate) use channel::{Channel, Hit};
pub use detector::{Action, ByteSet, Detector, DetectorId, Profile, Segment};
pub use inspect::Place;
pub(crate) use inspect::{Edit, Inspection, Inspector, apply};

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The longest text that one finding covers, in bytes.
pub const MAX_MATCH_LEN: usize = 4096;

/// Every detector of a policy, and the automaton over their anchors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// The detectors, sorted by id.
    pub detectors: Vec<Detector>,
    /// Finds the anchors.
    pub automaton: Automaton,
}

/// Where a detector found something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Match {
    /// Which detector.
    pub detector: DetectorId,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Catalogue {
    /// Checks every index in the tables and says how many detectors there are.
    pub(crate) fn check(&self) -> Result<usize, ()> {
        let sorted = self.detectors.iter().zip(self.detectors.iter().skip(1)).all(|(a, b)| a.id < b.id);
        if sorted && self.automaton.is_sound(self.detectors.len()) {
            Ok(self.detectors.len())
        } else {
            Err(())
        }
    }

    /// The detector of an id.
    pub fn detector(&self, id: DetectorId) -> Option<&Detector> {
        self.detectors.get(usize::from(id.0))
    }

    /// Whether any detector finds something, whatever policy does about it. What it finds may not stand in a record.
    pub(crate) fn finds_anything(&self, text: &str) -> bool {
        let mut found = false;
        self.scan(&Profile { actions: Vec::new() }, text.as_bytes(), |_| found = true);
        found
    }

    /// Reports every match of the detectors that `profile` does not switch off, in order of their anchors.
    pub fn scan(&self, profile: &Profile, text: &[u8], mut report: impl FnMut(Match)) {
        self.automaton.run(text, |anchor, end| {
            let start = end.saturating_sub(usize::from(anchor.length));
            let wanted = profile.action(anchor.detector) != Action::Off;
            let Some(detector) = self.detector(anchor.detector).filter(|_| wanted) else { return };
            if let Some(end) = detector.verify(text, start, end) {
                report(Match { detector: anchor.detector, start, end });
            }
        });
    }
}
