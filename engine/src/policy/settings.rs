//! What holds for all of a gate.

use serde::{Deserialize, Serialize};

/// What holds for all of the gate. The defaults are the strict answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether anything is refused at all, or only noted.
    pub mode: Mode,
    /// What becomes of callers of a known trust domain that are no agent.
    pub unmapped: Otherwise,
    /// What becomes of bodies over the limit, where the head alone has granted the request.
    pub oversize: Otherwise,
    /// What becomes of responses with a content coding.
    pub coded: Coded,
    /// What becomes of responses that nobody can read, on routes of plain HTTP.
    pub unscannable: Otherwise,
    /// When policy that nobody confirmed is too old; never when `None`.
    pub staleness: Option<Staleness>,
    /// What becomes of records.
    pub audit: Audit,
}

/// What becomes of records.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// What happens when there is no room for another one on its way to the companion.
    pub overflow: Overflow,
    /// How many a proxy keeps until the companion has them.
    pub records: u32,
    /// The level at which what went on is logged.
    pub passed: LogLevel,
    /// The level at which what was refused is logged.
    pub refused: LogLevel,
}

/// What happens when there is no room for a record.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum Overflow {
    /// The oldest is dropped, and counted.
    #[default]
    DropOldest,
    /// Requests are refused until there is room.
    Required,
}

/// How loudly a record is logged.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum LogLevel {
    /// Not at all.
    Off,
    /// Where a proxy shows everything.
    Debug,
    /// Where a proxy is asked for more than it shows by default.
    #[default]
    Info,
    /// Where a proxy shows what it shows by default.
    Warn,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            overflow: Overflow::default(),
            records: Self::RECORDS,
            passed: LogLevel::default(),
            refused: LogLevel::default(),
        }
    }
}

impl Audit {
    /// How many records a proxy keeps, unless policy says otherwise.
    pub const RECORDS: u32 = 4096;
}

impl Overflow {
    /// Every way with the word that stands for it in policy.
    pub const NAMES: [(Self, &'static str); 2] =
        [(Self::DropOldest, "drop-oldest"), (Self::Required, "required")];
}

impl LogLevel {
    /// Every level with the word that stands for it in policy.
    pub const NAMES: [(Self, &'static str); 4] =
        [(Self::Off, "off"), (Self::Debug, "debug"), (Self::Info, "info"), (Self::Warn, "warn")];
}

/// Whether refusals are carried out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are noted in the record, and the request goes on.
    Observe,
}

/// What becomes of a request that the gate has no judgement on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum Otherwise {
    /// It is refused.
    #[default]
    Deny,
    /// It goes on, and the record says why.
    Allow,
}

/// What becomes of responses with a content coding.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub enum Coded {
    /// They are decoded, judged, and go on decoded; one that cannot be decoded is refused.
    #[default]
    Decode,
    /// They are refused.
    Deny,
    /// They go on unread, on routes of plain HTTP, and the record says so.
    Pass,
}

/// When policy is too old to judge by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Staleness {
    /// The seconds since it was last confirmed; at least one.
    pub after: u32,
    /// `Deny`: nothing passes then. `Allow`: it is judged by all the same.
    pub then: Otherwise,
}

impl Mode {
    /// Every mode with the word that stands for it in policy and records.
    pub const NAMES: [(Self, &'static str); 2] = [(Self::Enforce, "enforce"), (Self::Observe, "observe")];

    /// The word that stands for the mode.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}
