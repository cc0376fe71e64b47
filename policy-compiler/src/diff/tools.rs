//! Which tools a service may offer only as they were approved.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_engine::policy::ToolPin;

use super::Direction;

pub(super) fn compare(old: &[ToolPin], new: &[ToolPin]) -> Vec<(Direction, String)> {
    let (old, new) = (by_name(old), by_name(new));
    let mut told = Vec::new();
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (direction, what) = match (old.get(name), new.get(name)) {
            (None, Some(_)) => (Direction::Less, "may be offered only as it is pinned now"),
            (Some(_), None) => (Direction::More, "is no longer pinned"),
            (Some(was), Some(is)) if was == is => continue,
            _ => (Direction::Other, "is pinned to another descriptor"),
        };
        told.push((direction, format!("tool `{name}` {what}")));
    }
    told
}

fn by_name(pins: &[ToolPin]) -> BTreeMap<&str, BTreeSet<&ToolPin>> {
    let mut named: BTreeMap<&str, BTreeSet<&ToolPin>> = BTreeMap::new();
    for pin in pins {
        named.entry(pin.name()).or_default().insert(pin);
    }
    named
}
