//! What becomes of one operation, by all grants that cover the whole of it.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_engine::policy::Effect;

use super::Direction;
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
    /// Some requests for it wait for approval, and no rule allows the others.
    PartlyHeld,
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
        let decided = [&state.denied, &state.held, &state.allowed].into_iter().any(is_always);
        state.on_trial = !decided && actor.on_trial.contains(&operation.service);
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
        // A limit counts whatever a server could take for what its rule covers.
        let limited = grants
            .iter()
            .filter(|grant| grant.effect == Effect::Allow && grant.operation.covers(operation, Effect::Deny));
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
        } else if self.on_trial || self.noted.iter().any(|(_, asks)| asks.is_empty()) {
            Verdict::Noted
        } else if self.allowed.is_empty() {
            if self.held.is_empty() { Verdict::Nothing } else { Verdict::PartlyHeld }
        } else {
            Verdict::Conditional
        }
    }
}

/// The most clauses whose being met or not is gone through.
const MOST_CLAUSES: usize = 10;

/// Whether more is possible in one state than in another, or less: whichever of the clauses of both are met.
pub(super) fn direction(before: &State, after: &State) -> Direction {
    let sets = |state: &State| -> Vec<Asks> {
        let noted = state.noted.iter().map(|(_, asks)| asks);
        [&state.allowed, &state.held, &state.denied].into_iter().flatten().chain(noted).cloned().collect()
    };
    let clauses: BTreeSet<String> =
        sets(before).into_iter().chain(sets(after)).flat_map(BTreeMap::into_keys).collect();
    if clauses.len() > MOST_CLAUSES {
        return Direction::Other;
    }
    let (mut more, mut less) = (false, false);
    for met in 0..1_u32 << clauses.len() {
        let met = (0..).zip(&clauses).filter(|(bit, _)| met >> bit & 1 == 1);
        let met: BTreeSet<&str> = met.map(|(_, clause)| clause.as_str()).collect();
        let (was, is) = (before.permits(&met), after.permits(&met));
        (more, less) = (more || is > was, less || is < was);
    }
    if !before.allowed.is_empty() && !after.allowed.is_empty() && before.limits != after.limits {
        (more, less) = (more || !before.limits.is_empty(), less || !after.limits.is_empty());
    }
    match (more, less) {
        (true, false) => Direction::More,
        (false, true) => Direction::Less,
        (true, true) | (false, false) => Direction::Other,
    }
}

impl State {
    /// How much passes where these clauses are met: nothing, what is approved of, or all.
    fn permits(&self, met: &BTreeSet<&str>) -> u8 {
        let is_met = |asks: &Asks| asks.keys().all(|clause| met.contains(clause.as_str()));
        if self.denied.iter().any(is_met) {
            0
        } else if self.held.iter().any(is_met) {
            1
        } else {
            let noted = self.on_trial || self.noted.iter().any(|(_, asks)| is_met(asks));
            if noted || self.allowed.iter().any(is_met) { 2 } else { 0 }
        }
    }
}

impl Verdict {
    /// How much passes: what is denied and what nobody allows come to the same.
    pub(super) fn permits(self) -> u8 {
        match self {
            Self::Denied | Self::Nothing => 0,
            Self::PartlyHeld | Self::Held => 1,
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
