//! Who asks for bundles, and what they run: as far as they say so themselves.
//!
//! Bounded: at most [`MAX_NODES`], of which one identity has at most [`MAX_OF_ONE`], and whoever was silent for [`LIFETIME`] is forgotten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sallyport_engine::identity::SpiffeId;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::conditional::Asked;

/// The most nodes that are remembered; of more, those that were silent longest are forgotten.
const MAX_NODES: usize = 20_000;
/// The most nodes with the same SPIFFE ID: nobody who shows a certificate can drive all others out of the list.
const MAX_OF_ONE: usize = 2000;
/// How long a node is remembered that no longer asks. A long poll comes back at least every minute.
const LIFETIME: Duration = Duration::from_secs(300);

/// Nodes by what tells them apart.
#[derive(Debug, Default)]
pub(super) struct Fleet(Mutex<Nodes>);

/// Nodes by the identity that they show, if they show one.
type Nodes = BTreeMap<Option<Arc<SpiffeId>>, BTreeMap<Key, Entry>>;

/// What tells nodes of one identity apart, as far as they say so themselves.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    node: String,
    audience: String,
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
    /// The serial that it was sent last, by this replica.
    sent: Option<u64>,
    /// The newest that it was sent, and then said that it does not enforce.
    left: Option<u64>,
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
    /// Whether it may have what is published by now: it has not asked again since it was published or sent that here.
    unheard: bool,
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
    /// Something older or nothing, as far as was heard; by now it may have what is published.
    pub(super) unheard: usize,
    /// How many of them refused the last bundle that they were sent.
    pub(super) refusing: usize,
}

impl Fleet {
    /// Writes down what a node says. `true` if it refuses something that it did not before.
    pub(super) fn note(&self, asked: &Asked, audience: &str, id: Option<&Arc<SpiffeId>>) -> bool {
        let Some(node) = asked.node.clone() else { return false };
        let key = Key { node, audience: audience.to_owned() };
        let now = SystemTime::now();
        let mut nodes = self.nodes();
        let known = nodes.get(&id.cloned()).and_then(|own| own.get(&key));
        let since = known.filter(|known| known.serial == asked.serial).map_or(now, |known| known.since);
        let before = known.and_then(|known| known.refused.as_deref());
        let newly = asked.refused.is_some() && before != asked.refused.as_deref();
        let sent = known.and_then(|known| known.sent);
        let left = known.and_then(|known| known.left).max(sent.filter(|sent| asked.serial < Some(*sent)));
        if known.is_none() {
            make_room(&mut nodes, id);
        }
        let entry = Entry {
            engine: asked.engine,
            format: asked.format,
            module: asked.module.clone(),
            serial: asked.serial,
            refused: asked.refused.clone(),
            since,
            seen: now,
            sent,
            left,
        };
        nodes.entry(id.cloned()).or_default().insert(key, entry);
        newly
    }

    /// Writes down what a node is sent. Whether it enforces that is known when it asks again; where there are other replicas, it may ask them.
    pub(super) fn sent(&self, asked: &Asked, audience: &str, id: Option<&Arc<SpiffeId>>, serial: u64) {
        let Some(node) = asked.node.clone() else { return };
        let key = Key { node, audience: audience.to_owned() };
        if let Some(entry) = self.nodes().get_mut(&id.cloned()).and_then(|own| own.get_mut(&key)) {
            entry.sent = Some(serial);
        }
    }

    /// Forgets who was silent for too long.
    pub(super) fn expire(&self) {
        let now = SystemTime::now();
        let silent = |entry: &Entry| now.duration_since(entry.seen).is_ok_and(|since| since > LIFETIME);
        self.nodes().retain(|_, own| {
            own.retain(|_, entry| !silent(entry));
            !own.is_empty()
        });
    }

    /// Everybody as JSON, and what is published: the newest serial, and that for each audience.
    pub(super) fn json(&self, serial: Option<u64>, published: impl Fn(&str) -> Option<u64>) -> String {
        self.expire();
        let nodes = self.nodes();
        let all = nodes.iter().flat_map(|(id, own)| own.iter().map(move |(key, entry)| (id, key, entry)));
        let listed = all.map(|(id, key, entry)| Node {
            node: &key.node,
            audience: Some(key.audience.as_str()).filter(|audience| !audience.is_empty()),
            spiffe_id: id.as_deref().map(SpiffeId::as_str),
            engine: entry.engine,
            format: entry.format,
            module: entry.module.as_deref(),
            serial: entry.serial,
            published: published(&key.audience),
            refused: entry.refused.as_deref(),
            unheard: entry.is_unheard(published(&key.audience)),
            since: written(entry.since),
            last_seen: written(entry.seen),
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort_by_key(|node| (node.node, node.audience));
        serde_json::to_string(&Listing { serial, nodes: listed }).unwrap_or_default()
    }

    /// How many enforce what, where this is published for each audience.
    pub(super) fn counts(&self, published: impl Fn(&str) -> Option<u64>) -> Counts {
        self.expire();
        let mut counts = Counts::default();
        for (key, entry) in self.nodes().values().flatten() {
            let published = published(&key.audience);
            match (entry.serial, published) {
                _ if entry.is_unheard(published) => counts.unheard += 1,
                (None, _) => counts.none += 1,
                (Some(theirs), Some(ours)) if theirs < ours => counts.behind += 1,
                (theirs, ours) if theirs == ours => counts.current += 1,
                _ => counts.ahead += 1,
            }
            counts.refusing += usize::from(entry.refused.is_some());
        }
        counts
    }

    fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether it may have what is published, though it has not said so: it neither refused anything, nor asked again without enforcing what
    /// it was sent.
    fn is_unheard(&self, published: Option<u64>) -> bool {
        self.refused.is_none() && self.serial < published && self.left < published
    }
}

/// Forgets who was silent longest, of the same identity or of all, where there are as many as there may be.
fn make_room(nodes: &mut Nodes, id: Option<&Arc<SpiffeId>>) {
    let of = |own: &BTreeMap<Key, Entry>| {
        own.iter().min_by_key(|(_, entry)| entry.seen).map(|(key, entry)| (entry.seen, key.clone()))
    };
    let id = id.cloned();
    let own = nodes.get(&id).filter(|own| id.is_some() && own.len() >= MAX_OF_ONE);
    let oldest = if own.is_some() {
        own.and_then(of).map(|(_, key)| (id, key))
    } else if nodes.values().map(BTreeMap::len).sum::<usize>() >= MAX_NODES {
        let all = nodes.iter().filter_map(|(id, own)| of(own).map(|(seen, key)| (seen, id.clone(), key)));
        all.min_by_key(|(seen, ..)| *seen).map(|(_, id, key)| (id, key))
    } else {
        None
    };
    if let Some((id, key)) = oldest
        && let Some(own) = nodes.get_mut(&id)
    {
        own.remove(&key);
        if own.is_empty() {
            nodes.remove(&id);
        }
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
        let counts = Counts { current: 1, behind: 0, ahead: 1, none: 0, unheard: 1, refusing: 1 };
        assert_eq!(fleet.counts(|_| Some(2)), counts);
        let json: serde_json::Value = serde_json::from_str(&fleet.json(Some(2), |_| Some(2))).unwrap();
        assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
        assert_eq!((&json["nodes"][1]["audience"], &json["serial"]), (&"tools".into(), &2.into()));
    }

    /// A proxy that asks another replica next has what is published, and this one does not hear of it.
    #[test]
    fn who_could_not_say_yet_that_it_has_it_is_not_behind() {
        let fleet = Fleet::default();
        let at = |published| {
            let Counts { current, behind, none, unheard, .. } = fleet.counts(|_| Some(published));
            (current, behind, none, unheard)
        };
        let (fresh, old) = (asked("a", None, None), asked("a", Some(1), None));
        fleet.note(&fresh, "", None);
        assert_eq!(at(1), (0, 0, 0, 1), "it is sent it now");
        fleet.sent(&fresh, "", None, 1);
        assert_eq!(at(1), (0, 0, 0, 1), "it has it, or will have it");
        fleet.note(&fresh, "", None);
        assert_eq!(at(1), (0, 0, 1, 0), "it could not take it");
        fleet.note(&old, "", None);
        assert_eq!(at(1), (1, 0, 0, 0));
        assert_eq!(at(2), (0, 0, 0, 1), "published just now");
        fleet.sent(&old, "", None, 2);
        assert_eq!(at(2), (0, 0, 0, 1));
        fleet.note(&old, "", None);
        assert_eq!(at(2), (0, 1, 0, 0), "it was sent it and does not enforce it");
        assert_eq!(at(3), (0, 0, 0, 1), "but the next may do");
        fleet.note(&asked("a", Some(3), None), "", None);
        assert_eq!(at(3), (1, 0, 0, 0));
    }

    #[test]
    fn the_list_is_bounded_and_the_silent_go_first() {
        let fleet = Fleet::default();
        for number in 0..=MAX_NODES {
            fleet.note(&asked(&format!("n{number:06}"), None, None), "", None);
        }
        assert_eq!(fleet.nodes()[&None].len(), MAX_NODES);
        assert!(fleet.nodes()[&None].keys().all(|key| key.node != "n000000"));

        // One who shows a certificate drives out nobody but itself.
        let id = |name: &str| Arc::new(SpiffeId::parse(format!("spiffe://a/{name}").as_bytes()).unwrap());
        fleet.nodes().clear();
        let (quiet, loud) = (id("quiet"), id("loud"));
        fleet.note(&asked("q", None, None), "", Some(&quiet));
        for number in 0..=MAX_NODES {
            fleet.note(&asked(&format!("n{number:06}"), None, None), "", Some(&loud));
        }
        let sizes = |id| fleet.nodes()[&Some(id)].len();
        assert_eq!(sizes(loud), MAX_OF_ONE);
        assert_eq!(sizes(quiet), 1);

        fleet
            .nodes()
            .values_mut()
            .flat_map(BTreeMap::values_mut)
            .for_each(|entry| entry.seen -= LIFETIME * 2);
        fleet.note(&asked("late", None, None), "", None);
        assert_eq!(fleet.counts(|_| None).none, 1, "where nothing is published");
    }
}
