//! A detector as data: where its matches begin, what they look like, and what must hold of them.

use super::checks::Check;
use super::dfa::Dfa;
use super::values::Values;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// An index into the catalogue's detectors.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct DetectorId(pub u16);

/// An index into the catalogue's sets of bytes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct SetId(pub u8);

/// How bad it is if what a detector finds is real.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Severity {
    /// Worth knowing.
    #[default]
    Low,
    /// Worth looking into.
    Medium,
    /// Worth acting on.
    High,
    /// Worth waking somebody.
    Critical,
}

/// A detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    /// The stable id, such as `aws-access-key-id`.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// Whether what it finds is an attack, rather than something that must not leak.
    pub threat: bool,
    /// How it finds what it finds.
    pub finder: Finder,
}

/// How a detector finds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Finder {
    /// By a pattern, where a trigger stands.
    Pattern(Pattern),
    /// By code of the engine.
    Structural(Structural),
    /// By the digests of values.
    Values(Values),
}

/// What the engine finds by code of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Structural {
    /// A URL that leads to a cloud's metadata service, however its host is written.
    MetadataHost,
    /// A URL that leads to a private, loopback or link-local address, or into the cluster.
    PrivateHost,
    /// A URL of a scheme that reads files or speaks other protocols.
    DangerousScheme,
    /// A key of a JSON object that a database or an interpreter acts on.
    OperatorKey,
    /// A text under a JSON key that names a secret.
    SecretField,
    /// A tool whose descriptor is not the one that policy pins.
    ToolChanged,
    /// A tool whose name another tool of the list has as well.
    ToolCollision,
    /// A tool whose name looks like another's.
    ToolLookalike,
    /// More is encoded in a text than is decoded.
    ScanTruncated,
    /// Looking through a text took more work than its size allows.
    ScanBudget,
}

/// What a match looks like, and what must hold of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// What may stand between a match's beginning and its trigger: at most so many bytes of a set.
    pub lead: Option<(SetId, u8)>,
    /// What a match looks like, from its beginning.
    pub dfa: Dfa,
    /// The bytes that may not stand before a match, and after it.
    pub not_beside: (SetId, SetId),
    /// The fewest and the most bytes of a match.
    pub length: (u16, u16),
    /// The bytes of what is reported: the longest suffix of the match that is made of them. The whole match where this is absent.
    pub value: Option<SetId>,
    /// How many bytes at the front of a match do not count for its entropy.
    pub prefix: u8,
    /// What must hold of the value.
    pub checks: Vec<Check>,
    /// The least Shannon entropy of the value, in sixteenths of a bit per byte; 0 asks for none.
    pub min_entropy: u8,
    /// Whether values that look like placeholders count.
    pub placeholders: bool,
    /// The group of context words of which one must end at most so many bytes before the match.
    pub context: Option<(u8, u16)>,
    /// Whether it reads texts as they stand, rather than folded.
    pub raw: bool,
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
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
}

impl Severity {
    /// Every severity, the least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name in detector files and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Structural {
    /// Every finder of the engine's own.
    pub const ALL: [Self; 10] = [
        Self::MetadataHost,
        Self::PrivateHost,
        Self::DangerousScheme,
        Self::OperatorKey,
        Self::SecretField,
        Self::ToolChanged,
        Self::ToolCollision,
        Self::ToolLookalike,
        Self::ScanTruncated,
        Self::ScanBudget,
    ];

    /// The name in detector files.
    pub fn name(self) -> &'static str {
        match self {
            Self::MetadataHost => "metadata-host",
            Self::PrivateHost => "private-host",
            Self::DangerousScheme => "dangerous-scheme",
            Self::OperatorKey => "json-operator-key",
            Self::SecretField => "json-secret-field",
            Self::ToolChanged => "tool-changed",
            Self::ToolCollision => "tool-collision",
            Self::ToolLookalike => "tool-lookalike",
            Self::ScanTruncated => "scan-truncated",
            Self::ScanBudget => "scan-budget",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = ByteSet::default();
        [0, 31, 32, b'A', 255].into_iter().for_each(|b| set.insert(b));
        let held: Vec<u8> = (0..=255).filter(|&b| set.contains(b)).collect();
        assert_eq!(held, [0, 31, 32, b'A', 255]);
    }
}
