//! What becomes of one operation, by all grants that cover the whole of it.

use std::collections::BTreeSet;

use sallyport_engine::policy::Effect;

use super::actors::Actor;
use super::grant::{Asks, Grant, Operation};

/// Under which conditions an operation is allowed, held and denied. Several sets of conditions are alternatives; an empty set asks
/// nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct State {
    pub(super) allowed: BTreeSet<Asks>,
    pub(super) held: BTreeSet<Asks>,
    pub(super) denied: BTreeSet<Asks>,
    /// How often it is allowed: all of these count.
    pub(super) limits: BTreeSet<(String, Asks)>,
    /// What missions on trial would hold or deny, and only note.
    pub(super) noted: BTreeSet<(Effect, Asks)>,
    /// Nothing allows it, and a mission on trial lets that go on.
    pub(super) on_trial: bool,
}

/// What becomes of an operation in the end, from the least to the most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Verdict {
    /// A rule forbids it.
    Denied,
    /// No rule allows it.
    Nothing,
    /// It waits for approval.
    Held,
    /// Some requests for it are allowed.
    Conditional,
    /// No rule allows it, and a mission on trial notes that only.
    Noted,
    /// It is allowed.
    Allowed,
}

impl State {
    /// What an agent's grants say of an operation.
    pub(super) fn of(operation: &Operation, actor: &Actor<'_>) -> Self {
        let mut state = Self::by_grants(operation, &actor.grants);
        state.on_trial = state.verdict() == Verdict::Nothing && actor.on_trial.contains(&operation.service);
        state
    }

    fn by_grants(operation: &Operation, grants: &[Grant]) -> Self {
        let covering = |effect| {
            grants
                .iter()
                .filter(move |grant| grant.effect == effect && grant.operation.covers(operation, effect))
        };
        let of = |effect| {
            let enforced = covering(effect).filter(|grant| effect == Effect::Allow || !grant.on_trial);
            least(enforced.map(|grant| grant.asks.clone()).collect())
        };
        let noted =
            [Effect::Hold, Effect::Deny].into_iter().flat_map(covering).filter(|grant| grant.on_trial);
        let noted = noted.map(|grant| (grant.effect, grant.asks.clone())).collect();
        let denied = of(Effect::Deny);
        // What is always denied is neither held nor allowed, and what is always held is not allowed.
        if is_always(&denied) {
            return Self { denied, ..Self::default() };
        }
        let held = of(Effect::Hold);
        if is_always(&held) {
            return Self { held, denied, ..Self::default() };
        }
        let limited = covering(Effect::Allow);
        let limits = limited.filter_map(|grant| Some((grant.limit.clone()?, grant.asks.clone())));
        Self { limits: limits.collect(), allowed: of(Effect::Allow), held, denied, noted, on_trial: false }
    }

    pub(super) fn verdict(&self) -> Verdict {
        if is_always(&self.denied) {
            Verdict::Denied
        } else if is_always(&self.held) {
            Verdict::Held
        } else if is_always(&self.allowed) {
            Verdict::Allowed
        } else if self.on_trial {
            Verdict::Noted
        } else if self.allowed.is_empty() {
            Verdict::Nothing
        } else {
            Verdict::Conditional
        }
    }
}

impl Verdict {
    /// How much passes: what is denied and what nobody allows come to the same.
    pub(super) fn permits(self) -> u8 {
        match self {
            Self::Denied | Self::Nothing => 0,
            Self::Held => 1,
            Self::Conditional => 2,
            Self::Noted | Self::Allowed => 3,
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
