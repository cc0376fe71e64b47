//! What differs for agents: identities that came and went, what may be done, what detectors do.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_engine::policy::{AgentId, Effect, Mode};

use super::actors::{Actor, Actors, Identity};
use super::detectors::{self, Changed};
use super::grant::Operation;
use super::state::State;
use super::{Change, Direction, Subject, words};

/// The agents that an identity stands for, before and after.
type Pair = (Option<AgentId>, Option<AgentId>);

/// Identities in the order of their texts.
type Identities<'p> = BTreeMap<String, Identity<'p>>;

pub(super) fn compare(before: &Actors<'_>, after: &Actors<'_>) -> Vec<Change> {
    let pairs = pairs(before, after);
    let mut changes = Vec::new();
    let mut actions = Vec::new();
    for (&(was, is), identities) in &pairs {
        let known = |pair: &Pair| pair.0.is_some() && pair.1.is_some();
        match (was.and_then(|id| before.agents.get(&id)), is.and_then(|id| after.agents.get(&id))) {
            (Some(old), Some(new)) => {
                let subject = subject(new.name, Some(old.name), identities);
                changes.extend(operations(&subject, old, new));
                changes.extend(modes(&subject, old.mode, new.mode));
                changes.extend(trials(&subject, &old.on_trial, &new.on_trial));
                actions.push((subject, detectors::changed(&old.detectors, &new.detectors)));
            }
            (None, Some(new)) => {
                let others = pairs.keys().any(|pair| known(pair) && pair.1 == is);
                changes.extend(came(new, identities, others));
            }
            (Some(old), None) => {
                let others = pairs.keys().any(|pair| known(pair) && pair.0 == was);
                changes.push(went(old, identities, others, after));
            }
            (None, None) => {}
        }
    }
    changes.extend(actions_changed(actions));
    changes
}

fn pairs<'p>(before: &Actors<'p>, after: &Actors<'p>) -> BTreeMap<Pair, Identities<'p>> {
    let mut pairs: BTreeMap<Pair, Identities<'p>> = BTreeMap::new();
    for identity in before.identities().chain(after.identities()) {
        let pair = (before.agent_of(identity), after.agent_of(identity));
        pairs.entry(pair).or_default().insert(identity.to_string(), identity);
    }
    pairs
}

fn subject(name: &str, was: Option<&str>, identities: &Identities<'_>) -> Subject {
    Subject::Agent {
        name: name.to_owned(),
        was: was.filter(|was| *was != name).map(str::to_owned),
        identities: identities.keys().cloned().collect(),
    }
}

fn change(subject: &Subject, service: Option<&str>, change: Direction, sentence: String) -> Change {
    Change { subject: subject.clone(), service: service.map(str::to_owned), change, sentence }
}

/// Identities that stand for an agent now.
fn came(new: &Actor<'_>, identities: &Identities<'_>, has_others: bool) -> Vec<Change> {
    let subject = subject(new.name, None, identities);
    let ids = listing(identities);
    if has_others {
        let sentence = format!("is also {ids} now: who shows this identity may do all that the agent may");
        return vec![change(&subject, None, Direction::More, sentence)];
    }
    let nobody = Actor::default();
    let mut changes = vec![change(&subject, None, Direction::More, format!("is an agent now: {ids}"))];
    changes.extend(operations(&subject, &nobody, new));
    changes.extend(modes(&subject, Mode::Enforce, new.mode));
    changes.extend(trials(&subject, &BTreeSet::new(), &new.on_trial));
    changes
}

/// Whether refusals are carried out.
fn modes(subject: &Subject, was: Mode, is: Mode) -> Option<Change> {
    let (direction, sentence) = match (was, is) {
        (Mode::Enforce, Mode::Observe) => {
            (Direction::More, "is only observed now: what would be refused goes on, and is noted")
        }
        (Mode::Observe, Mode::Enforce) => {
            (Direction::Less, "is no longer only observed: what is refused goes nowhere")
        }
        (Mode::Enforce, Mode::Enforce) | (Mode::Observe, Mode::Observe) => return None,
    };
    Some(change(subject, None, direction, sentence.to_owned()))
}

/// Where a mission on trial lets go on what no rule allows.
fn trials(subject: &Subject, was: &BTreeSet<String>, is: &BTreeSet<String>) -> Vec<Change> {
    let began = is.difference(was).map(|service| {
        let sentence = "may now do what no rule allows, too: a mission on trial notes it only";
        change(subject, Some(service), Direction::More, sentence.to_owned())
    });
    let ended = was.difference(is).map(|service| {
        let sentence = "may no longer do what no rule allows: no mission here is on trial any more";
        change(subject, Some(service), Direction::Less, sentence.to_owned())
    });
    began.chain(ended).collect()
}

/// Identities that stand for no agent any more, but for what of them other identities mean.
fn went(old: &Actor<'_>, identities: &Identities<'_>, has_others: bool, after: &Actors<'_>) -> Change {
    let ids = listing(identities);
    let meant = |one: &Identity<'_>| identities.values().any(|gone| gone.overlaps(*one));
    let still: Identities<'_> = after.identities().filter(meant).map(|one| (one.to_string(), one)).collect();
    let sentence = match (still.is_empty(), has_others) {
        (true, true) => format!("is no longer {ids}: who shows this identity may do nothing"),
        (true, false) => format!("is no agent any more: {ids} may do nothing"),
        (false, _) => {
            format!("is no longer {ids}: who shows this identity may do nothing, but for {}", listing(&still))
        }
    };
    change(&subject(old.name, None, identities), None, Direction::Less, sentence)
}

fn listing(identities: &Identities<'_>) -> String {
    crate::suggest::listing(identities.keys().map(String::as_str))
}

/// An operation with what became of it.
struct Transition<'g> {
    operation: &'g Operation,
    before: State,
    after: State,
}

fn operations(subject: &Subject, before: &Actor<'_>, after: &Actor<'_>) -> Vec<Change> {
    if before.grants == after.grants {
        return Vec::new();
    }
    let all = concerned(before, after);
    let states: Vec<_> = all
        .iter()
        .map(|operation| Transition {
            operation,
            before: State::of(operation, before),
            after: State::of(operation, after),
        })
        .collect();
    let changed: Vec<_> = states.iter().filter(|one| one.before != one.after).collect();
    let told = changed.iter().filter(|one| !changed.iter().any(|wider| wider.tells_of(one)));
    told.map(|one| {
        let (direction, sentence) = words::sentence(one.operation, &one.before, &one.after);
        let sentence = sentence + &one.exceptions(&states);
        change(subject, Some(&one.operation.service), direction, sentence)
    })
    .collect()
}

/// The operations that something is said of: those that rules name, and what rules that refuse, and that came or went, cover of what others
/// give.
fn concerned(before: &Actor<'_>, after: &Actor<'_>) -> BTreeSet<Operation> {
    let all: BTreeSet<_> = before.grants.iter().chain(&after.grants).collect();
    let mut operations: BTreeSet<_> =
        all.iter().filter(|grant| !grant.carried).map(|grant| grant.operation.clone()).collect();
    let (was, is): (BTreeSet<_>, BTreeSet<_>) =
        (before.grants.iter().collect(), after.grants.iter().collect());
    for refusal in was.symmetric_difference(&is).filter(|grant| grant.effect != Effect::Allow) {
        // A hold refuses what is allowed, a deny what is held as well; on trial, both let pass what nobody allows.
        let given = all.iter().filter(|given| given.on_trial || given.effect < refusal.effect);
        operations.extend(given.filter_map(|given| given.operation.part_within(&refusal.operation)));
    }
    operations
}

impl Transition<'_> {
    /// Whether what is said of this operation is said of a narrower one, too.
    fn tells_of(&self, narrower: &Self) -> bool {
        self.operation != narrower.operation
            && self.operation.covers_exactly(narrower.operation)
            && !narrower.operation.covers_exactly(self.operation)
            && self.before == narrower.before
            && self.after == narrower.after
    }

    /// The narrower operations that are still possible where this is no longer.
    fn exceptions(&self, states: &[Transition<'_>]) -> String {
        let (was, is) = (self.before.verdict(), self.after.verdict());
        let still: BTreeSet<_> = (states.iter())
            .filter(|one| is < was && one.after.verdict() > is && one.operation != self.operation)
            .filter(|one| self.operation.covers_exactly(one.operation))
            .map(|one| one.operation.words())
            .collect();
        if still.is_empty() {
            String::new()
        } else {
            format!(", but still {}", Vec::from_iter(still).join(", "))
        }
    }
}

/// What holds for every agent is told once.
fn actions_changed(mut all: Vec<(Subject, Vec<Changed<'_>>)>) -> Vec<Change> {
    if all.len() > 1 && all.windows(2).all(|pair| matches!(pair, [(_, a), (_, b)] if a == b)) {
        all.truncate(1);
        all.iter_mut().for_each(|(subject, _)| *subject = Subject::EveryAgent);
    }
    all.iter().flat_map(|(subject, actions)| actions.iter().map(|one| action_changed(subject, one))).collect()
}

fn action_changed(subject: &Subject, one: &Changed<'_>) -> Change {
    let (direction, sentence) = detectors::told(one);
    change(subject, None, direction, sentence)
}
