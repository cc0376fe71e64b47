//! Sentences about one operation.

use std::collections::BTreeSet;

use super::Direction;
use super::grant::{Asks, Operation};
use super::state::{State, Verdict};

/// What changed about an operation, and whether more is possible.
pub(super) fn sentence(operation: &Operation, before: &State, after: &State) -> (Direction, String) {
    let (was, is) = (before.verdict(), after.verdict());
    let direction = match is.permits().cmp(&was.permits()) {
        std::cmp::Ordering::Greater => Direction::More,
        std::cmp::Ordering::Less => Direction::Less,
        std::cmp::Ordering::Equal => Direction::Other,
    };
    let what = operation.words();
    if was == is && before.allowed == after.allowed {
        return denied_otherwise(&what, before, after);
    }
    let sentence = match (was, is) {
        (Verdict::Denied, Verdict::Nothing) => {
            format!("is no longer forbidden to {what}, and no rule allows it")
        }
        (Verdict::Nothing, Verdict::Denied) => {
            format!("is now forbidden to {what}; no rule allowed it before")
        }
        (_, Verdict::Denied) => format!("may no longer {what}: a rule forbids it now"),
        (_, Verdict::Nothing) => format!("may no longer {what}"),
        (Verdict::Conditional, Verdict::Allowed) => {
            format!("may now always {what}; before only if {}", asks(&before.allowed))
        }
        (Verdict::Denied, Verdict::Allowed) => format!("may now {what}: the rule that forbade it is gone"),
        (Verdict::Nothing, Verdict::Allowed) => format!("may now {what}"),
        (Verdict::Allowed, Verdict::Conditional) => {
            format!("may now {what} only if {}", asks(&after.allowed))
        }
        (Verdict::Denied | Verdict::Nothing, Verdict::Conditional) => {
            format!("may now {what} if {}", asks(&after.allowed))
        }
        (Verdict::Conditional, Verdict::Conditional) | (Verdict::Allowed, Verdict::Allowed) => {
            other_asks(&what, &asks(&before.allowed), &asks(&after.allowed))
        }
    };
    (direction, sentence + &denied_besides(before, after))
}

fn other_asks(what: &str, before: &str, after: &str) -> String {
    if before == after {
        // Patterns are tables by now: there are no words for them.
        return format!("may {what} if {after}, by another pattern than before");
    }
    format!("may now {what} if {after}; before if {before}")
}

/// Only what is denied under conditions is otherwise.
fn denied_otherwise(what: &str, before: &State, after: &State) -> (Direction, String) {
    let (direction, sentence) = denied_if(what, before, after);
    match after.verdict().permits() {
        0 => (Direction::Other, sentence + "; no rule allows it anyway"),
        _ => (direction, sentence),
    }
}

fn denied_if(what: &str, before: &State, after: &State) -> (Direction, String) {
    match (before.denied.is_empty(), after.denied.is_empty()) {
        (true, _) => (Direction::Less, format!("is now forbidden to {what} if {}", asks(&after.denied))),
        (_, true) => {
            (Direction::More, format!("is no longer forbidden to {what} if {}", asks(&before.denied)))
        }
        (false, false) => {
            let (was, is) = (asks(&before.denied), asks(&after.denied));
            let sentence = match was == is {
                true => format!("is forbidden to {what} if {is}, by another pattern than before"),
                false => format!("is now forbidden to {what} if {is}; before if {was}"),
            };
            (Direction::Other, sentence)
        }
    }
}

/// What is denied under conditions beside a change of what is allowed.
fn denied_besides(before: &State, after: &State) -> String {
    let always = |state: &State| state.verdict() == Verdict::Denied;
    if after.verdict().permits() > 0 && !after.denied.is_empty() {
        return format!(", but not if {}", asks(&after.denied));
    }
    if !always(before) && !always(after) && after.denied.is_empty() && !before.denied.is_empty() {
        return format!("; no longer forbidden if {}", asks(&before.denied));
    }
    String::new()
}

/// Alternatives, each a list of clauses.
fn asks(sets: &BTreeSet<Asks>) -> String {
    let all = |asks: &Asks| asks.values().cloned().collect::<Vec<_>>().join(" and ");
    sets.iter().map(all).collect::<Vec<_>>().join(", or if ")
}
