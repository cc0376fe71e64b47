//! What differs for every caller: services, trust domains and the gate's own settings.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_engine::policy::{
    Audit, Coded, LogLevel, Mode, Otherwise, Overflow, PolicyParts, Protocol, Route, Service, Settings,
    Staleness,
};

use super::detectors;
use super::scope::{self, Names};
use super::{Change, Direction, Subject, tools};
use crate::describe::{self, one_of};

/// What is spoken on a route, and what passes there unread or several at once.
#[derive(Clone, Copy)]
struct Spoken {
    protocol: Protocol,
    passes: [(bool, &'static str); 3],
}

pub(super) fn compare(before: &PolicyParts, after: &PolicyParts, names: &Names) -> Vec<Change> {
    let mut changes = gate(before, after);
    let old: BTreeMap<_, _> = names.before.iter().zip(&before.services).collect();
    let new: BTreeMap<_, _> = names.after.iter().zip(&after.services).collect();
    for name in old.keys().chain(new.keys()).copied().collect::<BTreeSet<_>>() {
        let subject = Subject::Service { name: name.clone() };
        let tell = |(change, sentence)| Change { subject: subject.clone(), service: None, change, sentence };
        let told = match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => {
                let mut told = service(old, new);
                let of = |service: &Service, parts| {
                    service.profile.map(|id| detectors::of(id, parts)).unwrap_or_default()
                };
                let changed = detectors::changed(&of(old, before), &of(new, after));
                told.extend(
                    changed.iter().map(detectors::told).map(|(how, what)| (how, format!("at least, {what}"))),
                );
                told
            }
            (None, Some(new)) => {
                vec![(Direction::More, format!("is a service now, at {}", one_of(scope::hosts(new))))]
            }
            (Some(old), None) => {
                let hosts = one_of(scope::hosts(old));
                vec![(Direction::Less, format!("is no service any more: nobody may call {hosts}"))]
            }
            (None, None) => Vec::new(),
        };
        changes.extend(told.into_iter().map(tell));
    }
    changes
}

fn gate(before: &PolicyParts, after: &PolicyParts) -> Vec<Change> {
    let tell = |change, sentence| Change { subject: Subject::Gate, service: None, change, sentence };
    let domains = |parts: &PolicyParts| -> BTreeSet<String> {
        parts.trust_domains.iter().map(|domain| domain.as_str().to_owned()).collect()
    };
    let (old, new) = (domains(before), domains(after));
    let mut changes = Vec::new();
    for domain in new.difference(&old) {
        changes.push(tell(Direction::More, format!("knows callers of trust domain `{domain}` now")));
    }
    for domain in old.difference(&new) {
        let sentence = format!("no longer knows callers of trust domain `{domain}`");
        changes.push(tell(Direction::Less, sentence));
    }
    let (was, is) = (before.limits.max_body_bytes, after.limits.max_body_bytes);
    if was != is {
        let direction = if is > was { Direction::More } else { Direction::Less };
        changes.push(tell(direction, format!("takes request bodies up to {is} bytes; before up to {was}")));
    }
    let (was, is) = (detectors::allowed(before), detectors::allowed(after));
    for (_, sentence) in is.iter().filter(|(what, _)| !was.contains_key(*what)) {
        changes.push(tell(Direction::More, format!("allows by a profile {sentence}")));
    }
    for (_, sentence) in was.iter().filter(|(what, _)| !is.contains_key(*what)) {
        changes.push(tell(Direction::Less, format!("no longer allows by a profile {sentence}")));
    }
    if before.catalogue.key != after.catalogue.key {
        changes.push(tell(Direction::Other, "has another key of hashes in the place of values".to_owned()));
    }
    changes.extend(answers(&before.settings, &after.settings).into_iter().map(|(how, what)| tell(how, what)));
    changes
}

/// What becomes of requests that the rules do not decide.
fn answers(old: &Settings, new: &Settings) -> Vec<(Direction, String)> {
    let mut told = Vec::new();
    let mut lets = |was: bool, is: bool, what: &str| match (was, is) {
        (false, true) => told.push((Direction::More, format!("now lets {what} pass"))),
        (true, false) => told.push((Direction::Less, format!("no longer lets {what} pass"))),
        (true, true) | (false, false) => {}
    };
    let passes = |otherwise| otherwise == Otherwise::Allow;
    let observes = |mode| mode == Mode::Observe;
    // Every setting is told of: one that is new is named here, or this does not compile.
    let Settings { mode, unmapped, oversize, coded, unscannable, staleness: _, audit: _ } = *new;
    lets(observes(old.mode), observes(mode), "what it would refuse of callers that are no agent");
    lets(passes(old.unmapped), passes(unmapped), "callers that are no agent");
    lets(passes(old.oversize), passes(oversize), "granted requests whose body is over the limit");
    lets(old.coded == Coded::Pass, coded == Coded::Pass, "responses with a content coding");
    lets(passes(old.unscannable), passes(unscannable), "responses that nobody can read");
    if (old.coded == Coded::Deny) != (coded == Coded::Deny) {
        let decodes = |coded| if coded == Coded::Deny { "refuses" } else { "takes" };
        let sentence = format!(
            "{} responses in gzip and deflate; before, it {} them",
            decodes(coded),
            decodes(old.coded)
        );
        told.push((Direction::Other, sentence));
    }
    if old.staleness != new.staleness {
        let words = |staleness: Option<Staleness>| match staleness {
            None => "never counts as too old".to_owned(),
            Some(Staleness { after, then }) => format!(
                "is too old after {}, and then {}",
                describe::seconds(after),
                if passes(then) { "judges on" } else { "refuses everything" }
            ),
        };
        let (was, is) = (words(old.staleness), words(new.staleness));
        told.push((Direction::Other, format!("judges by a policy that {is}; before, it {was}")));
    }
    told.extend(audit(&old.audit, &new.audit).into_iter().map(|sentence| (Direction::Other, sentence)));
    told
}

/// What becomes of records.
fn audit(old: &Audit, new: &Audit) -> Vec<String> {
    let mut told = Vec::new();
    if (old.overflow, old.records) != (new.overflow, new.records) {
        let words = |audit: &Audit| match audit.overflow {
            Overflow::DropOldest => format!("drops the oldest of more than {} records", audit.records),
            Overflow::Required => format!("refuses requests beyond {} records", audit.records),
        };
        told.push(format!("now {}; before, it {}", words(new), words(old)));
    }
    let word =
        |level: LogLevel| LogLevel::NAMES.iter().find(|(known, _)| *known == level).map_or("", |n| n.1);
    for (what, was, is) in [("went on", old.passed, new.passed), ("was refused", old.refused, new.refused)] {
        if was != is {
            told.push(format!("logs what {what} at `{}`; before, at `{}`", word(is), word(was)));
        }
    }
    told
}

fn service(old: &Service, new: &Service) -> Vec<(Direction, String)> {
    let mut told = Vec::new();
    for host in scope::hosts_beyond(new, old) {
        told.push((Direction::More, format!("is at `{host}`, too: what may be done, may be done there")));
    }
    for host in scope::hosts_beyond(old, new) {
        told.push((Direction::Less, format!("is no longer at `{host}`")));
    }
    if old.ports != new.ports {
        let ports = |service: &Service| match service.ports.is_empty() {
            true => "any port".to_owned(),
            false => format!("port {}", one_of(&service.ports)),
        };
        told.push((Direction::Other, format!("answers on {}; before on {}", ports(new), ports(old))));
    }
    told.extend(routes(&by_path(old), &by_path(new)));
    told.extend(tools::compare(&old.tools, &new.tools));
    told
}

fn by_path(service: &Service) -> BTreeMap<String, Spoken> {
    let spoken = |route: &Route| {
        let Route { path, protocol, opaque_bodies, batches, opaque_numbers } = route;
        let passes = [
            (*opaque_bodies, "bodies that can not be read"),
            (*batches, "JSON-RPC batches"),
            (*opaque_numbers, "numbers that parsers read differently"),
        ];
        (scope::plain_path(path.as_str()), Spoken { protocol: *protocol, passes })
    };
    service.routes.iter().map(spoken).collect()
}

fn routes(old: &BTreeMap<String, Spoken>, new: &BTreeMap<String, Spoken>) -> Vec<(Direction, String)> {
    let mut told = Vec::new();
    for path in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        match (old.get(path), new.get(path)) {
            (None, Some(new)) => {
                let sentence = format!("`{path}` has a route now, and speaks {}", new.protocol.name());
                told.push((Direction::Other, sentence));
                told.extend(spoken(
                    path,
                    Spoken { passes: new.passes.map(|(_, what)| (false, what)), ..*new },
                    *new,
                ));
            }
            (Some(Spoken { protocol, .. }), None) => {
                let sentence =
                    format!("`{path}` has no route of its own any more; it spoke {}", protocol.name());
                told.push((Direction::Other, sentence));
            }
            (Some(was), Some(is)) => told.extend(spoken(path, *was, *is)),
            (None, None) => {}
        }
    }
    told
}

fn spoken(path: &str, was: Spoken, is: Spoken) -> Vec<(Direction, String)> {
    let mut told = Vec::new();
    if was.protocol != is.protocol {
        let sentence = format!("`{path}` speaks {}; before {}", is.protocol.name(), was.protocol.name());
        told.push((Direction::Other, sentence));
    }
    for ((was, what), (is, _)) in was.passes.into_iter().zip(is.passes) {
        match (was, is) {
            (false, true) => told.push((Direction::More, format!("`{path}` lets {what} pass now"))),
            (true, false) => told.push((Direction::Less, format!("`{path}` no longer lets {what} pass"))),
            (true, true) | (false, false) => {}
        }
    }
    told
}
