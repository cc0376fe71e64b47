//! What differs between two policies in meaning: who may now do what, who no longer may, and under which conditions.
//!
//! ```text
//!  Policy ─► actors: what each identity may do, as sets of grants ─┐
//!  Policy ─► actors ───────────────────────────────────────────────┴─► states of each operation ─► changes in words
//! ```
//!
//! Names of missions, rules, files and agents mean nothing here, nor does any order: an agent is the identities that it is
//! bound to, and what it may do is the sum of its rules.

mod actors;
mod agents;
mod definitions;
mod detectors;
mod grant;
mod scope;
mod settings;
mod state;
mod tools;
mod words;

use sallyport_engine::Policy;
use serde::Serialize;

/// One difference in meaning.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Whom or what it is about.
    pub subject: Subject,
    /// The service that it is about, for what an agent may do.
    pub service: Option<String>,
    /// Whether more is possible than before, or less.
    pub change: Direction,
    /// What it is, in words; the subject goes in front.
    pub sentence: String,
}

/// Whom or what a change is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Subject {
    /// What holds for every caller.
    Gate,
    /// A detector, of the policy or built in.
    Detector {
        /// Its id.
        name: String,
    },
    /// A service.
    Service {
        /// Its name.
        name: String,
    },
    /// Every agent.
    EveryAgent,
    /// An agent.
    Agent {
        /// Its name; the new one if it has two.
        name: String,
        /// The name that it had before, if it had another.
        #[serde(skip_serializing_if = "Option::is_none")]
        was: Option<String>,
        /// The identities that it is about.
        identities: Vec<String>,
    },
}

/// Whether more is possible than before, or less.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// Something is possible that was not.
    More,
    /// Something is not possible any more.
    Less,
    /// Something is otherwise.
    Other,
}

/// Everything that differs in meaning, in the order in which it is told: the gate, detectors, services, agents; by name.
pub fn compare(before: &Policy, after: &Policy) -> Vec<Change> {
    let (before, after) = (before.parts(), after.parts());
    let names = scope::Names::of(before, after);
    let mut changes = settings::compare(before, after, &names);
    changes.extend(definitions::compare(before, after));
    changes.extend(agents::compare(&actors::of(before, &names.before), &actors::of(after, &names.after)));
    changes.sort();
    changes
}
