//! What came of a replay, counted: one line for each kind of change, not for each record.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Outcome, Unknown};
use crate::audit::Record;

/// The most kinds of change that are told apart; of others only their number is kept.
const MAX_KINDS: usize = 10_000;

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) records: u64,
    pub(crate) same: u64,
    pub(crate) changed: u64,
    kinds: BTreeMap<Kind, u64>,
    pub(crate) unknown: BTreeMap<Unknown, u64>,
}

/// Records that change alike.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Kind {
    pub(crate) agent: Option<String>,
    pub(crate) caller: Option<String>,
    pub(crate) operation: Option<String>,
    pub(crate) destination: Option<String>,
    pub(crate) was: &'static str,
    pub(crate) was_reason: String,
    pub(crate) becomes: &'static str,
    pub(crate) becomes_reason: String,
}

impl Summary {
    /// Counts one record.
    pub(crate) fn add(&mut self, record: &Record, outcome: Outcome) {
        self.records += 1;
        match outcome {
            Outcome::Same => self.same += 1,
            Outcome::Unknown(unknown) => *self.unknown.entry(unknown).or_default() += 1,
            Outcome::Changed(verdict, reason) => {
                self.changed += 1;
                let kind = Kind {
                    agent: record.agent.clone(),
                    caller: record.caller.clone().filter(|_| record.agent.is_none()),
                    operation: record.operation.clone(),
                    destination: record.destination.clone(),
                    was: record.verdict.as_str(),
                    was_reason: record.reason.clone(),
                    becomes: verdict.as_str(),
                    becomes_reason: reason,
                };
                if self.kinds.contains_key(&kind) || self.kinds.len() < MAX_KINDS {
                    *self.kinds.entry(kind).or_default() += 1;
                }
            }
        }
    }

    /// The kinds of change, the most frequent first.
    pub(crate) fn kinds(&self) -> Vec<(&Kind, u64)> {
        let mut kinds: Vec<_> = self.kinds.iter().map(|(kind, count)| (kind, *count)).collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        kinds
    }

    /// How many records do not tell enough.
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown.values().sum()
    }
}
