//! What becomes of one operation, by all grants that cover the whole of it.

use std::collections::BTreeSet;

use sallyport_engine::policy::Effect;

use super::grant::{Asks, Grant, Operation};

/// Under which conditions an operation is allowed and denied. Several sets of conditions are alternatives; an empty set asks nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    pub(super) allowed: BTreeSet<Asks>,
    pub(super) denied: BTreeSet<Asks>,
}

/// What becomes of an operation in the end, from the least to the most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Verdict {
    /// A rule forbids it.
    Denied,
    /// No rule allows it.
    Nothing,
    /// Some requests for it are allowed.
    Conditional,
    /// It is allowed.
    Allowed,
}

impl State {
    /// What these grants say of an operation.
    pub(super) fn of(operation: &Operation, grants: &[Grant]) -> Self {
        let of = |effect| {
            let covering = grants
                .iter()
                .filter(|grant| grant.effect == effect && grant.operation.covers(operation, effect));
            least(covering.map(|grant| grant.asks.clone()).collect())
        };
        let denied = of(Effect::Deny);
        // What is always denied is not allowed under any condition.
        let allowed = if is_always(&denied) { BTreeSet::new() } else { of(Effect::Allow) };
        Self { allowed, denied }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match (is_always(&self.denied), is_always(&self.allowed), self.allowed.is_empty()) {
            (true, ..) => Verdict::Denied,
            (false, true, _) => Verdict::Allowed,
            (false, false, false) => Verdict::Conditional,
            (false, false, true) => Verdict::Nothing,
        }
    }
}

impl Verdict {
    /// How much passes: what is denied and what nobody allows come to the same.
    pub(super) fn permits(self) -> u8 {
        match self {
            Self::Denied | Self::Nothing => 0,
            Self::Conditional => 1,
            Self::Allowed => 2,
        }
    }
}

fn is_always(sets: &BTreeSet<Asks>) -> bool {
    sets.iter().any(Asks::is_empty)
}

/// Without the sets that ask more than another one: who meets them meets that one.
fn least(sets: BTreeSet<Asks>) -> BTreeSet<Asks> {
    let asks_less =
        |other: &Asks, set: &Asks| other.len() < set.len() && other.keys().all(|key| set.contains_key(key));
    sets.iter().filter(|set| !sets.iter().any(|other| asks_less(other, set))).cloned().collect()
}
