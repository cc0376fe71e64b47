//! Finding secrets, personal data and attacks in text, by tables that were compiled ahead.
//!
//! ```text
//!  text ─ fold ─► view ─ triggers ─► candidate ─ pattern ─► boundary, length, checks, entropy, placeholder, context ─► match
//!                   └─ encoded runs ─ decode ─► another text (two deep)
//! ```
//!
//! One table says of each byte of a text whether a detector's anchor could begin there; where one does, the detector's own small
//! automaton reads on. Neither backtracks: the cost is linear in the text, apart from patterns, whose work is bounded.

mod channel;
mod checks;
mod detector;
mod dfa;
mod digits;
mod edit;
mod encoded;
mod entropy;
mod exceptions;
mod fold;
mod form;
pub mod hosts;
mod inspect;
mod keys;
mod pass;
mod placeholder;
mod profile;
mod protobuf;
mod redact;
mod text;
mod triggers;
mod values;
mod vault;

pub use channel::{Aside, Channel, Hit};
pub use checks::Check;
pub use detector::{ByteSet, Detector, DetectorId, Finder, Pattern, SetId, Severity, Structural};
pub use dfa::Dfa;
pub use digits::{FOLLOWERS, MAX_NEXT, MAX_RUN, SHAPES, follower, shape};
pub use edit::{Edit, apply, disjoint};
pub use exceptions::{Exception, Known};
pub use inspect::{Inspection, Inspector};
pub use pass::Match;
pub use profile::{Action, Place, Profile, Redaction, Treatment};
pub(crate) use protobuf::framed;
pub use triggers::{MAX_STATES, Meaning, Triggers, Word};
pub use values::{DIGEST_BYTES, Values, digest};
pub use vault::Vault;

use crate::bytes::{self, Kind};
use crate::reason::Reason;
use alloc::vec::Vec;
use digits::Beginnings;
use serde::{Deserialize, Serialize};

/// The longest text that one match covers, in bytes.
pub const MAX_MATCH_LEN: usize = 16_384;
/// The most detectors that runs of digits trigger.
pub const MAX_DIGIT_DETECTORS: usize = 128;
/// The bytes of the key that [`Redaction::Hash`] asks for.
pub const KEY_BYTES: usize = 32;
/// What most messages are made of, beside what they are about.
const COMMON: [&str; 24] = [
    "jsonrpc",
    "2.0",
    "id",
    "method",
    "params",
    "name",
    "arguments",
    "tools/call",
    "_meta",
    "result",
    "content",
    "type",
    "text",
    "isError",
    "model",
    "messages",
    "role",
    "user",
    "choices",
    "index",
    "delta",
    "object",
    "function",
    "created",
];

/// Every detector of a policy, and the tables that find where their matches could begin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// The detectors, sorted by id.
    pub detectors: Vec<Detector>,
    /// The sets of bytes that detectors name.
    pub sets: Vec<ByteSet>,
    /// How many groups of context words there are.
    pub groups: u8,
    /// Where matches could begin.
    pub triggers: Triggers,
    /// The detectors that runs of digits trigger, at most [`MAX_DIGIT_DETECTORS`].
    pub digits: Vec<DetectorId>,
    /// Which of `digits` a run of digits could begin: a bit each, by the run's [`shape`]. First with a lead before it, then, [`SHAPES`]
    /// further, without one.
    pub shapes: Vec<u128>,
    /// What is allowed though it is found, by the profiles that say so.
    pub exceptions: Vec<Exception>,
    /// The key of what stands for values by [`Redaction::Hash`]; none if it is empty.
    pub key: Vec<u8>,
    /// The detectors without a lead that anchors trigger. Derived, as is the rest.
    #[serde(skip)]
    anchored: Vec<DetectorId>,
    /// The detectors with a lead.
    #[serde(skip)]
    led: Vec<DetectorId>,
    /// The detectors that the engine's own code finds.
    #[serde(skip)]
    structural: Vec<(Structural, DetectorId)>,
    /// The detectors that look words up.
    #[serde(skip)]
    listed: Vec<DetectorId>,
    /// Which of `digits` can begin where.
    #[serde(skip)]
    beginnings: Beginnings,
    /// Whether whatever reads texts as they stand, rather than folded, is triggered by its anchors alone. These are not ASCII.
    #[serde(skip)]
    raw_beyond_ascii: bool,
    /// Which of [`COMMON`] need no look: a bit each.
    #[serde(skip)]
    silent: u32,
}

impl Catalogue {
    /// Derives what is not carried, checks every index in the tables, and says how many detectors there are; none if the tables are unsound.
    pub fn prepare(&mut self) -> Option<usize> {
        let count = self.detectors.len();
        let sorted = self.detectors.iter().zip(self.detectors.iter().skip(1)).all(|(a, b)| a.id < b.id);
        let sets = self.sets.len();
        let groups = usize::from(self.groups);
        let patterns = self.detectors.iter_mut().all(|detector| is_sound(detector, sets, groups));
        let shapes = self.digits.len() <= MAX_DIGIT_DETECTORS
            && self.digits.iter().all(|id| usize::from(id.0) < count)
            && (self.digits.is_empty() || self.shapes.len() == SHAPES.saturating_mul(2));
        let exceptions = self.exceptions.iter_mut().all(|exception| exception.prepare(count));
        if !(sorted && patterns && shapes && exceptions) {
            return None;
        }
        let bounded: Vec<bool> = self.detectors.iter().map(|of| self.is_bounded(of)).collect();
        if !self.triggers.prepare(&bounded, groups) {
            return None;
        }
        self.derive();
        self.silent = self.silent_words();
        Some(count)
    }

    fn derive(&mut self) {
        (self.anchored, self.led, self.structural) = (Vec::new(), Vec::new(), Vec::new());
        self.listed = Vec::new();
        for (detector, id) in self.detectors.iter().zip(0..) {
            let id = DetectorId(id);
            match &detector.finder {
                Finder::Structural(which) => self.structural.push((*which, id)),
                Finder::Values(_) => self.listed.push(id),
                Finder::Pattern(pattern) if pattern.lead.is_some() => self.led.push(id),
                Finder::Pattern(_) => self.anchored.push(id),
            }
        }
        self.derive_digits();
        self.raw_beyond_ascii = self.detectors.iter().all(|of| match &of.finder {
            Finder::Pattern(pattern) if pattern.raw => pattern.context.is_none() && pattern.lead.is_none(),
            Finder::Pattern(_) | Finder::Structural(_) | Finder::Values(_) => true,
        }) && !self.digits.iter().any(|&id| self.is_raw(id));
    }

    fn is_raw(&self, id: DetectorId) -> bool {
        self.detector(id).is_some_and(|of| matches!(&of.finder, Finder::Pattern(Pattern { raw: true, .. })))
    }

    /// Whether matches begin where they are triggered, and never behind a letter, a digit or `_`.
    fn is_bounded(&self, detector: &Detector) -> bool {
        let Finder::Pattern(pattern) = &detector.finder else { return false };
        let before = self.set(pattern.not_beside.0);
        let is_word = |&byte: &u8| bytes::is(byte, Kind::WORD);
        pattern.lead.is_none() && (0..=u8::MAX).filter(is_word).all(|byte| before.contains(byte))
    }

    fn derive_digits(&mut self) {
        let mut beginnings = Beginnings::new(self.groups);
        let bits = (0..u128::BITS).map(|at| 1_u128.rotate_left(at));
        for (&id, bit) in self.digits.iter().zip(bits) {
            if let Some(Finder::Pattern(pattern)) = self.detector(id).map(|of| &of.finder) {
                let lead = pattern.lead.map_or_else(ByteSet::default, |(set, _)| self.set(set));
                beginnings.add(bit, pattern, lead, self.set(pattern.not_beside.0));
            }
        }
        beginnings.note(&self.shapes);
        self.beginnings = beginnings;
    }

    /// The detector of an id.
    pub fn detector(&self, id: DetectorId) -> Option<&Detector> {
        self.detectors.get(usize::from(id.0))
    }

    /// The detector that the engine's own code finds for.
    pub(crate) fn structural(&self, which: Structural) -> Option<DetectorId> {
        self.structural.iter().find(|(of, _)| *of == which).map(|&(_, id)| id)
    }

    /// Whether what a detector finds is bad wherever it stands: it is of high severity, and neither an address nor a mere number. Values
    /// that policy lists always are.
    fn counts_anywhere(&self, id: DetectorId) -> bool {
        self.detector(id).is_some_and(|of| match of.finder {
            Finder::Pattern(_) => of.severity >= Severity::High && !self.digits.contains(&id),
            Finder::Values(_) => true,
            Finder::Structural(_) => false,
        })
    }

    /// How large the tables are that texts are looked through by, in bytes.
    pub fn table_bytes(&self) -> usize {
        let patterns = self.detectors.iter().map(|of| match &of.finder {
            Finder::Pattern(pattern) => pattern.dfa.table_bytes(),
            Finder::Structural(_) | Finder::Values(_) => 0,
        });
        let digits = size_of_val(self.shapes.as_slice()).saturating_add(self.beginnings.table_bytes());
        patterns.sum::<usize>().saturating_add(digits).saturating_add(self.triggers.table_bytes())
    }

    /// Why a message is refused for what a detector found.
    pub(crate) fn reason(&self, id: DetectorId) -> Reason {
        match self.detector(id) {
            Some(Detector { id, threat: true, .. }) => Reason::Threat(id.as_str().into()),
            Some(Detector { id, .. }) => Reason::Dlp(id.as_str().into()),
            None => Reason::Internal,
        }
    }

    /// Those of [`COMMON`] in which nothing is found, and that say nothing of what stands beside them: a bit each.
    fn silent_words(&self) -> u32 {
        let looker = text::Looker { catalogue: self, profile: None, place: Place::Request };
        let silent = |word: &str| {
            let mut found = false;
            let mut work = pass::Work::for_length(word.len());
            let groups = looker.text(word.as_bytes(), &[], text::MAX_DEPTH, &mut work, &mut |_| found = true);
            !found && groups.is_empty()
        };
        let bits = (0..u32::BITS).map(|at| 1_u32.rotate_left(at));
        COMMON.iter().zip(bits).filter(|(word, _)| silent(word)).fold(0, |all, (_, bit)| all | bit)
    }

    /// Whether a text needs no look, for it is one of the words that most messages are made of.
    fn is_silent(&self, text: &[u8]) -> bool {
        let at = COMMON.iter().position(|word| word.as_bytes() == text);
        at.and_then(|at| u32::try_from(at).ok()).is_some_and(|at| self.silent.rotate_right(at) & 1 == 1)
    }

    /// Whether any detector finds something, whatever policy does about it. What it finds may not stand in a record.
    pub(crate) fn finds_anything(&self, text: &str) -> bool {
        self.finds(text, Severity::Low)
    }

    /// Whether a detector of at least this severity finds something.
    pub(crate) fn finds(&self, text: &str, least: Severity) -> bool {
        let looker = text::Looker { catalogue: self, profile: None, place: Place::Request };
        let mut found = false;
        let mut work = pass::Work::for_length(text.len());
        looker.text(text.as_bytes(), &[], 1, &mut work, &mut |of: text::Found| {
            found |= self.detector(of.found.detector).is_none_or(|of| of.severity >= least);
        });
        found
    }

    /// A set of bytes; one that is not there is empty.
    fn set(&self, id: SetId) -> ByteSet {
        self.sets.get(usize::from(id.0)).copied().unwrap_or_default()
    }
}

/// A text as detectors read it: decoded and folded.
pub fn folded(text: &str) -> Vec<u8> {
    fold::fold(text).bytes().to_vec()
}

/// Everything that any detector finds in a text, however it is encoded, whatever policy does about it.
pub fn look(catalogue: &Catalogue, text: &[u8]) -> Vec<Match> {
    let looker = text::Looker { catalogue, profile: None, place: Place::Request };
    let mut found = Vec::new();
    let mut work = pass::Work::for_length(text.len());
    looker.text(text, &[], text::MAX_DEPTH, &mut work, &mut |of| found.push(of.found));
    found
}

fn is_sound(detector: &mut Detector, sets: usize, groups: usize) -> bool {
    let pattern = match &mut detector.finder {
        Finder::Pattern(pattern) => pattern,
        Finder::Values(values) => return values.is_sound(sets),
        Finder::Structural(_) => return true,
    };
    let (before, after) = pattern.not_beside;
    let named = [Some(before), Some(after), pattern.value, pattern.lead.map(|(set, _)| set)];
    named.iter().flatten().all(|set| usize::from(set.0) < sets)
        && pattern.context.is_none_or(|(group, _)| usize::from(group) < groups)
        && pattern.length.0 <= pattern.length.1
        && pattern.dfa.prepare()
}
