//! Who asks for bundles, and what they run: as far as they say so themselves.
//!
//! Bounded: at most [`MAX_NODES`], and whoever was silent for [`LIFETIME`] is forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::conditional::Asked;

/// The most nodes that are remembered; of more, those that were silent longest are forgotten.
const MAX_NODES: usize = 20_000;
/// How long a node is remembered that no longer asks. A long poll comes back at least every minute.
const LIFETIME: Duration = Duration::from_secs(300);

/// Nodes by what tells them apart.
#[derive(Debug, Default)]
pub(super) struct Fleet(Mutex<BTreeMap<Key, Entry>>);

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    node: String,
    audience: String,
    spiffe_id: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
struct Entry {
    engine: Option<u32>,
    format: Option<u16>,
    module: Option<String>,
    serial: Option<u64>,
    refused: Option<String>,
    /// Since when it says that it enforces `serial`.
    since: SystemTime,
    seen: SystemTime,
}

/// What `/v1/fleet` answers.
#[derive(Serialize)]
struct Listing<'a> {
    serial: Option<u64>,
    nodes: Vec<Node<'a>>,
}

/// One node of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node<'a> {
    node: &'a str,
    audience: Option<&'a str>,
    spiffe_id: Option<&'a str>,
    engine: Option<u32>,
    format: Option<u16>,
    module: Option<&'a str>,
    serial: Option<u64>,
    /// What it would be sent now.
    published: Option<u64>,
    refused: Option<&'a str>,
    since: String,
    last_seen: String,
}

/// How many nodes enforce what.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    /// What is published.
    pub(super) current: usize,
    /// Something older.
    pub(super) behind: usize,
    /// Something newer, from another replica.
    pub(super) ahead: usize,
    /// Nothing.
    pub(super) none: usize,
    /// How many of them refused the last bundle that they were sent.
    pub(super) refusing: usize,
}

impl Fleet {
    /// Writes down what a node says. `true` if it refuses something that it did not before.
    pub(super) fn note(&self, asked: &Asked, audience: &str, spiffe_id: Option<&Arc<str>>) -> bool {
        let Some(node) = asked.node.clone() else { return false };
        let key = Key { node, audience: audience.to_owned(), spiffe_id: spiffe_id.cloned() };
        let now = SystemTime::now();
        let mut nodes = self.nodes();
        let known = nodes.get(&key);
        let since = known.filter(|known| known.serial == asked.serial).map_or(now, |known| known.since);
        let before = known.and_then(|known| known.refused.as_deref());
        let newly = asked.refused.is_some() && before != asked.refused.as_deref();
        if known.is_none() && nodes.len() >= MAX_NODES {
            let oldest = nodes.iter().min_by_key(|(_, entry)| entry.seen).map(|(key, _)| key.clone());
            oldest.and_then(|key| nodes.remove(&key));
        }
        let entry = Entry {
            engine: asked.engine,
            format: asked.format,
            module: asked.module.clone(),
            serial: asked.serial,
            refused: asked.refused.clone(),
            since,
            seen: now,
        };
        nodes.insert(key, entry);
        newly
    }

    /// Forgets who was silent for too long.
    pub(super) fn expire(&self) {
        let now = SystemTime::now();
        let silent = |entry: &Entry| now.duration_since(entry.seen).is_ok_and(|since| since > LIFETIME);
        self.nodes().retain(|_, entry| !silent(entry));
    }

    /// Everybody as JSON, and what is published: the newest serial, and that for each audience.
    pub(super) fn json(&self, serial: Option<u64>, published: impl Fn(&str) -> Option<u64>) -> String {
        self.expire();
        let nodes = self.nodes();
        let listed = nodes.iter().map(|(key, entry)| Node {
            node: &key.node,
            audience: Some(key.audience.as_str()).filter(|audience| !audience.is_empty()),
            spiffe_id: key.spiffe_id.as_deref(),
            engine: entry.engine,
            format: entry.format,
            module: entry.module.as_deref(),
            serial: entry.serial,
            published: published(&key.audience),
            refused: entry.refused.as_deref(),
            since: written(entry.since),
            last_seen: written(entry.seen),
        });
        serde_json::to_string(&Listing { serial, nodes: listed.collect() }).unwrap_or_default()
    }

    /// How many enforce what, where this is published for each audience.
    pub(super) fn counts(&self, published: impl Fn(&str) -> Option<u64>) -> Counts {
        self.expire();
        let mut counts = Counts::default();
        for (key, entry) in self.nodes().iter() {
            match (entry.serial, published(&key.audience)) {
                (None, _) => counts.none += 1,
                (Some(theirs), Some(ours)) if theirs < ours => counts.behind += 1,
                (theirs, ours) if theirs == ours => counts.current += 1,
                _ => counts.ahead += 1,
            }
            counts.refusing += usize::from(entry.refused.is_some());
        }
        counts
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time as RFC 3339 has it, in whole seconds.
pub(super) fn written(time: SystemTime) -> String {
    let whole = OffsetDateTime::from(time).replace_nanosecond(0);
    whole.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(node: &str, serial: Option<u64>, refused: Option<&str>) -> Asked {
        Asked { node: Some(node.to_owned()), serial, refused: refused.map(str::to_owned), ..Asked::default() }
    }

    #[test]
    fn nodes_are_told_apart_and_counted() {
        let fleet = Fleet::default();
        assert!(!fleet.note(&asked("a", Some(2), None), "", None));
        assert!(!fleet.note(&asked("a", Some(1), None), "tools", None));
        assert!(fleet.note(&asked("b", None, Some("older")), "", None));
        assert!(!fleet.note(&asked("b", None, Some("older")), "", None), "told once");
        assert!(fleet.note(&asked("b", Some(3), Some("signature")), "", None));
        fleet.note(&Asked::default(), "", None);
        let counts = Counts { current: 1, behind: 1, ahead: 1, none: 0, refusing: 1 };
        assert_eq!(fleet.counts(|_| Some(2)), counts);
        let json: serde_json::Value = serde_json::from_str(&fleet.json(Some(2), |_| Some(2))).unwrap();
        assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
        assert_eq!((&json["nodes"][1]["audience"], &json["serial"]), (&"tools".into(), &2.into()));
    }

    #[test]
    fn the_list_is_bounded_and_the_silent_go_first() {
        let fleet = Fleet::default();
        for number in 0..=MAX_NODES {
            fleet.note(&asked(&format!("n{number:06}"), None, None), "", None);
        }
        assert_eq!(fleet.nodes().len(), MAX_NODES);
        assert!(fleet.nodes().keys().all(|key| key.node != "n000000"));
        fleet.nodes().values_mut().for_each(|entry| entry.seen -= LIFETIME * 2);
        fleet.note(&asked("late", None, None), "", None);
        assert_eq!(fleet.counts(|_| None).none, 1);
    }
}
