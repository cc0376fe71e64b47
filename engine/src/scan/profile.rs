//! What is done about findings.

use super::DetectorId;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Where a text stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Place {
    /// In a request.
    Request,
    /// In a response.
    Response,
    /// In the description of a tool that a server offers.
    Tools,
}

/// What is done about a finding; the stricter is the greater.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Action {
    /// The detector does not run.
    #[default]
    Off,
    /// The finding is recorded.
    Alert,
    /// What was found is replaced, and the message goes on.
    Redact,
    /// The message is refused.
    Block,
}

/// What stands in the place of what was found.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Redaction {
    /// `[REDACTED:id]`.
    #[default]
    Label,
    /// `[REDACTED:id:12345678]`: the same digits for the same value, by a key.
    Hash,
    /// The first and the last characters as they are, `*` for the others.
    Mask {
        /// How many of the first.
        first: u8,
        /// How many of the last.
        last: u8,
    },
    /// `[REDACTED:id:abcdefghijklmnop]`: a token of this exchange. Where the answer has it, the value stands there again. Only in
    /// requests; in what comes back it is a label.
    Token,
}

impl Redaction {
    /// How much is shown of a value: what shows less is the stricter.
    fn shows(self) -> (u8, u8, u8) {
        match self {
            Self::Label => (0, 0, 0),
            Self::Hash => (1, 0, 0),
            Self::Token => (2, 0, 0),
            Self::Mask { first, last } => (3, first, last),
        }
    }

    /// Whether it takes a key.
    pub fn is_keyed(self) -> bool {
        matches!(self, Self::Hash | Self::Token)
    }
}

/// What is done about a detector's findings.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Treatment {
    /// In requests.
    pub request: Action,
    /// In responses.
    pub response: Action,
    /// In descriptions of tools.
    pub tools: Action,
    /// How they are redacted, where they are.
    pub redaction: Redaction,
}

/// One treatment for each detector of the catalogue, in its order.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Profile {
    treatments: Vec<Treatment>,
    /// The exceptions that it makes, by their places in the catalogue.
    pub allow: Vec<u16>,
    /// Which of the catalogue's [digits](super::Catalogue::digits) are off in requests, in responses and in descriptions of tools: a bit
    /// each. Derived.
    #[serde(skip)]
    idle: [u128; 3],
}

impl Action {
    /// Every action, the most lenient first.
    pub const ALL: [Self; 4] = [Self::Off, Self::Alert, Self::Redact, Self::Block];

    /// The name in policy and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Alert => "alert",
            Self::Redact => "redact",
            Self::Block => "block",
        }
    }
}

impl Treatment {
    /// The stricter of two, place by place. What shows less of what was found is the stricter redaction.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        Self {
            request: self.request.max(other.request),
            response: self.response.max(other.response),
            tools: self.tools.max(other.tools),
            redaction: if other.redaction.shows() < self.redaction.shows() {
                other.redaction
            } else {
                self.redaction
            },
        }
    }

    /// What is done at a place.
    pub fn action(self, place: Place) -> Action {
        match place {
            Place::Request => self.request,
            Place::Response => self.response,
            Place::Tools => self.tools,
        }
    }
}

impl Profile {
    /// With a treatment for each detector, in the order of the catalogue, and these exceptions.
    pub fn new(treatments: Vec<Treatment>, allow: Vec<u16>) -> Self {
        Self { treatments, allow, ..Self::default() }
    }

    /// The treatments, in the order of the catalogue.
    pub fn treatments(&self) -> &[Treatment] {
        &self.treatments
    }

    /// The same, to be changed. What was derived from them is forgotten.
    pub fn treatments_mut(&mut self) -> &mut [Treatment] {
        self.idle = [0; 3];
        &mut self.treatments
    }

    /// Derives what is not carried, for the detectors that runs of digits trigger. Without it the same is found, later.
    pub fn prepare(&mut self, digits: &[DetectorId]) {
        let bits = (0..u128::BITS).map(|at| 1_u128.wrapping_shl(at));
        let idle = |place| {
            let off =
                digits.iter().zip(bits.clone()).filter(|&(&id, _)| self.action(id, place) == Action::Off);
            off.fold(0, |all, (_, bit)| all | bit)
        };
        self.idle = [idle(Place::Request), idle(Place::Response), idle(Place::Tools)];
    }

    /// The detectors that runs of digits trigger and that are off at a place: a bit each.
    pub(super) fn idle(&self, place: Place) -> u128 {
        let [request, response, tools] = self.idle;
        match place {
            Place::Request => request,
            Place::Response => response,
            Place::Tools => tools,
        }
    }

    /// What to do about a finding of a detector. A detector that the profile does not know blocks.
    pub fn action(&self, detector: DetectorId, place: Place) -> Action {
        self.treatments.get(usize::from(detector.0)).map_or(Action::Block, |of| of.action(place))
    }

    /// Whether anything could be replaced at a place.
    pub fn redacts(&self, place: Place) -> bool {
        self.treatments.iter().any(|of| of.action(place) == Action::Redact)
    }

    /// Whether values in requests could be replaced by tokens.
    pub(crate) fn tokenises(&self) -> bool {
        self.treatments.iter().any(|of| of.request == Action::Redact && of.redaction == Redaction::Token)
    }

    /// Whether tokens are named at all: together with another profile, that may come to more than alone.
    pub(crate) fn names_tokens(&self) -> bool {
        self.treatments.iter().any(|of| of.redaction == Redaction::Token)
    }

    /// The stricter of two, detector by detector and place by place. Only what both allow is allowed.
    #[must_use]
    #[inline(never)]
    pub fn stricter(&self, other: &Self) -> Self {
        let pairs = self.treatments.iter().zip(&other.treatments);
        let shared = self.allow.iter().filter(|id| other.allow.contains(id));
        let idle =
            [Place::Request, Place::Response, Place::Tools].map(|place| self.idle(place) & other.idle(place));
        let treatments = pairs.map(|(a, b)| a.stricter(*b)).collect();
        Self { treatments, allow: shared.copied().collect(), idle }
    }

    /// Whether anything is looked for at a place.
    pub fn looks_at(&self, place: Place) -> bool {
        self.treatments.iter().any(|of| of.action(place) != Action::Off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(actions: [Action; 2]) -> Profile {
        let treatments = actions.map(|request| Treatment { request, ..Treatment::default() });
        let mut profile = Profile::new(treatments.to_vec(), Vec::new());
        profile.prepare(&[DetectorId(1), DetectorId(0)]);
        profile
    }

    #[test]
    fn what_is_off_is_off_in_both_of_two() {
        let (first, second) = (profile([Action::Off, Action::Alert]), profile([Action::Off, Action::Off]));
        assert_eq!((first.idle(Place::Request), second.idle(Place::Request)), (0b10, 0b11));
        assert_eq!(first.idle(Place::Response), 0b11);
        let both = first.stricter(&second);
        assert_eq!((both.idle(Place::Request), both.idle(Place::Tools)), (0b10, 0b11));
    }

    #[test]
    fn what_was_derived_is_forgotten_when_treatments_change() {
        let mut changed = profile([Action::Off, Action::Off]);
        changed.treatments_mut().fill(Treatment { request: Action::Block, ..Treatment::default() });
        assert_eq!(changed.idle(Place::Request), 0);
    }
}
