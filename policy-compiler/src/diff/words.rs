//! Sentences about one operation.

use std::collections::BTreeSet;

use sallyport_engine::policy::Effect;

use super::Direction;
use super::grant::{Asks, Operation};
use super::state::{State, Verdict, direction};

/// What changed about an operation, and whether more is possible.
pub(super) fn sentence(operation: &Operation, before: &State, after: &State) -> (Direction, String) {
    let (was, is) = (before.verdict(), after.verdict());
    let what = operation.words();
    let direction = direction(before, after);
    if was == is && before.allowed == after.allowed {
        return (direction, besides(&what, before, after));
    }
    let sentence = match is {
        Verdict::Denied => denied(&what, was),
        Verdict::Nothing if was == Verdict::Denied => {
            format!("is no longer forbidden to {what}, and no rule allows it")
        }
        Verdict::Nothing if was == Verdict::PartlyHeld => {
            format!("may no longer {what} with approval if {}", asks(&before.held))
        }
        Verdict::Nothing => format!("may no longer {what}"),
        Verdict::PartlyHeld | Verdict::Held => held(&what, was, before, after),
        Verdict::Conditional => conditional(&what, was, before, after),
        Verdict::Noted if was.permits() > 1 => {
            format!("is now noted, by a mission on trial, where it wants to {what}")
        }
        Verdict::Noted => format!("may now {what}: a mission on trial only notes it"),
        Verdict::Allowed => allowed(&what, was, before),
    };
    (direction, sentence + &exceptions(before, after))
}

fn denied(what: &str, was: Verdict) -> String {
    match was {
        Verdict::Nothing => format!("is now forbidden to {what}; no rule allowed it before"),
        _ => format!("may no longer {what}: a rule forbids it now"),
    }
}

/// What is only possible with approval, if at all.
fn held(what: &str, was: Verdict, before: &State, after: &State) -> String {
    let only = if was.permits() > 1 { "only " } else { "" };
    let how = match after.verdict() {
        Verdict::PartlyHeld if was == Verdict::Held => format!("with approval only if {}", asks(&after.held)),
        Verdict::PartlyHeld => format!("{only}with approval if {}", asks(&after.held)),
        _ => format!("{only}with approval"),
    };
    let before = match was {
        Verdict::Conditional => format!("; before without it if {}", asks(&before.allowed)),
        Verdict::PartlyHeld => format!("; before only if {}", asks(&before.held)),
        _ => String::new(),
    };
    format!("may now {what} {how}{before}")
}

fn allowed(what: &str, was: Verdict, before: &State) -> String {
    match was {
        Verdict::Denied => format!("may now {what}: the rule that forbade it is gone"),
        Verdict::Held => format!("may now {what} without approval"),
        Verdict::PartlyHeld => {
            format!("may now {what} without approval; before only with it if {}", asks(&before.held))
        }
        Verdict::Conditional => format!("may now always {what}; before only if {}", asks(&before.allowed)),
        Verdict::Noted => format!("is no longer noted where it wants to {what}: a rule allows it"),
        Verdict::Nothing | Verdict::Allowed => format!("may now {what}"),
    }
}

fn conditional(what: &str, was: Verdict, before: &State, after: &State) -> String {
    let conditions = asks(&after.allowed);
    match was {
        Verdict::Noted | Verdict::Allowed => format!("may now {what} only if {conditions}"),
        Verdict::Held => format!("may now {what} without approval if {conditions}"),
        Verdict::PartlyHeld => {
            let held = asks(&before.held);
            format!("may now {what} without approval if {conditions}; before only with it if {held}")
        }
        Verdict::Denied | Verdict::Nothing => format!("may now {what} if {conditions}"),
        Verdict::Conditional => match asks(&before.allowed) {
            // Patterns are tables by now: there are no words for them.
            same if same == conditions => {
                format!("may {what} if {conditions}, by another pattern than before")
            }
            other => format!("may now {what} if {conditions}; before if {other}"),
        },
    }
}

/// What holds beside a change of what is allowed: refusals under conditions, and limits.
fn exceptions(before: &State, after: &State) -> String {
    let mut words = String::new();
    let permits = after.verdict().permits();
    if permits > 0 && !after.denied.is_empty() {
        words += &format!(", but not if {}", asks(&after.denied));
    }
    if permits > 1 {
        if !after.held.is_empty() {
            words += &format!(", with approval if {}", asks(&after.held));
        }
        if !after.limits.is_empty() {
            words += &format!(", {}", limits(after));
        }
    }
    if after.denied.is_empty() && !before.denied.is_empty() && before.verdict() != Verdict::Denied {
        words += &format!("; no longer forbidden if {}", asks(&before.denied));
    }
    words
}

/// What changed where what is allowed did not: refusals under conditions, limits, and what is only noted.
fn besides(what: &str, before: &State, after: &State) -> String {
    let verdict = after.verdict();
    let anyway = if verdict.permits() == 0 { "; no rule allows it anyway" } else { "" };
    let forbidden = || Some(refused(&before.denied, &after.denied, "forbidden", what)? + anyway);
    let held = || match verdict {
        Verdict::PartlyHeld => approved(&before.held, &after.held, what),
        _ => refused(&before.held, &after.held, "asked for approval", what),
    };
    let limited = || Some(limited(what, before, after)? + anyway);
    forbidden().or_else(held).or_else(limited).unwrap_or_else(|| noted(what, before, after) + anyway)
}

fn refused(before: &BTreeSet<Asks>, after: &BTreeSet<Asks>, done: &str, what: &str) -> Option<String> {
    Some(match (before.is_empty(), after.is_empty()) {
        _ if before == after => return None,
        (true, _) => format!("is now {done} to {what} if {}", asks(after)),
        (_, true) => format!("is no longer {done} to {what} if {}", asks(before)),
        (false, false) => match (asks(before), asks(after)) {
            (was, is) if was == is => {
                format!("is {done} to {what} if {is}, by another pattern than before")
            }
            (was, is) => format!("is now {done} to {what} if {is}; before if {was}"),
        },
    })
}

/// Where nothing is allowed without approval, and not all is possible with it.
fn approved(before: &BTreeSet<Asks>, after: &BTreeSet<Asks>, what: &str) -> Option<String> {
    if before == after {
        return None;
    }
    let (was, is) = (asks(before), asks(after));
    Some(match was == is {
        true => format!("may {what} with approval if {is}, by another pattern than before"),
        false => format!("may now {what} with approval if {is}; before if {was}"),
    })
}

fn limited(what: &str, before: &State, after: &State) -> Option<String> {
    Some(match (before.limits.is_empty(), after.limits.is_empty()) {
        _ if before.limits == after.limits => return None,
        (true, _) => format!("may now {what} {}", limits(after)),
        (_, true) => format!("may now {what} as often as it likes; before {}", limits(before)),
        (false, false) => format!("may now {what} {}; before {}", limits(after), limits(before)),
    })
}

/// What missions on trial say.
fn noted(what: &str, before: &State, after: &State) -> String {
    let words = |state: &State| {
        let one = |(effect, conditions): &(Effect, Asks)| {
            let conditions = match conditions.is_empty() {
                true => String::new(),
                false => format!(" if {}", asks(&BTreeSet::from([conditions.clone()]))),
            };
            format!("{}{conditions}", if *effect == Effect::Hold { "held" } else { "forbidden" })
        };
        state.noted.iter().map(one).collect::<Vec<_>>().join(", or ")
    };
    match (before.noted.is_empty(), after.noted.is_empty()) {
        (_, true) => format!("is noted no longer, on trial, where it wants to {what}"),
        (true, false) => format!("is now noted as {}, on trial, where it wants to {what}", words(after)),
        (false, false) => {
            let (was, is) = (words(before), words(after));
            format!("is now noted as {is}, on trial, where it wants to {what}; before as {was}")
        }
    }
}

/// Alternatives, each a list of clauses.
fn asks(sets: &BTreeSet<Asks>) -> String {
    sets.iter().map(clauses).collect::<Vec<_>>().join(", or if ")
}

fn clauses(asks: &Asks) -> String {
    asks.values().cloned().collect::<Vec<_>>().join(" and ")
}

fn limits(state: &State) -> String {
    let one = |(limit, asks): &(String, Asks)| match asks.is_empty() || state.allowed.len() == 1 {
        true => limit.clone(),
        false => format!("{limit} if {}", clauses(asks)),
    };
    state.limits.iter().map(one).collect::<Vec<_>>().join(" and ")
}
