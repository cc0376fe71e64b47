//! Builds the engine's Aho-Corasick tables: a trie over the anchors, failure links breadth first, then one dense row a state
//! (Aho and Corasick, 1975).

use sallyport_engine::scan::{Anchor, Automaton, Detector, DetectorId};
use std::collections::{BTreeMap, VecDeque};

#[derive(Default)]
struct State {
    children: BTreeMap<u8, usize>,
    /// The state of the longest proper suffix that is in the trie.
    fail: usize,
    ends: Vec<Anchor>,
}

/// Builds the tables for every anchor of every detector.
pub(super) fn build(detectors: &[Detector]) -> Automaton {
    let anchors: Vec<(Anchor, Vec<u8>)> = detectors.iter().zip(0_u16..).flat_map(anchors).collect();
    let (classes, width) = classes(&anchors);
    let mut states = trie(&anchors, &classes);
    let order = link(&mut states);
    table(&states, &order, classes, width)
}

fn anchors((detector, id): (&Detector, u16)) -> impl Iterator<Item = (Anchor, Vec<u8>)> {
    let fold = |text: &String| text.to_ascii_lowercase().into_bytes();
    detector.anchors.iter().filter_map(move |text| {
        let length = u8::try_from(text.len()).ok().filter(|&length| length > 0)?;
        Some((Anchor { detector: DetectorId(id), length }, fold(text)))
    })
}

/// Gives each byte of the anchors a class of its own, both cases the same; every other byte is class 0.
fn classes(anchors: &[(Anchor, Vec<u8>)]) -> (Vec<u8>, u16) {
    let mut classes = vec![0_u8; 256];
    let mut width = 1_u16;
    for byte in 0..=u8::MAX {
        if anchors.iter().any(|(_, text)| text.contains(&byte)) {
            // At most 230 classes: no upper-case letter has its own.
            let class = u8::try_from(width).unwrap_or(u8::MAX);
            classes[usize::from(byte)] = class;
            classes[usize::from(byte.to_ascii_uppercase())] = class;
            width += 1;
        }
    }
    // The engine shifts where it would have to divide.
    (classes, width.next_power_of_two())
}

fn trie(anchors: &[(Anchor, Vec<u8>)], classes: &[u8]) -> Vec<State> {
    let mut states = vec![State::default()];
    for (anchor, text) in anchors {
        let mut at = 0;
        for &byte in text {
            let class = classes[usize::from(byte)];
            at = match states[at].children.get(&class) {
                Some(&next) => next,
                None => {
                    let next = states.len();
                    states[at].children.insert(class, next);
                    states.push(State::default());
                    next
                }
            };
        }
        states[at].ends.push(*anchor);
    }
    states
}

/// Sets the failure links and hands each state the anchors of its suffixes; returns the states breadth first.
fn link(states: &mut [State]) -> Vec<usize> {
    let mut order = Vec::new();
    let mut queue = VecDeque::from([0]);
    while let Some(at) = queue.pop_front() {
        order.push(at);
        let children: Vec<(u8, usize)> =
            states[at].children.iter().map(|(&class, &child)| (class, child)).collect();
        for (class, child) in children {
            queue.push_back(child);
            if at == 0 {
                continue;
            }
            let mut suffix = states[at].fail;
            while suffix != 0 && !states[suffix].children.contains_key(&class) {
                suffix = states[suffix].fail;
            }
            let fail = states[suffix].children.get(&class).copied().unwrap_or(0);
            states[child].fail = fail;
            let inherited = states[fail].ends.clone();
            states[child].ends.extend(inherited);
        }
    }
    order
}

fn table(states: &[State], order: &[usize], classes: Vec<u8>, width: u16) -> Automaton {
    let row = usize::from(width);
    let mut next = vec![0_u32; states.len() * row];
    for &at in order {
        for class in 0..width {
            let target = match u8::try_from(class).ok().and_then(|class| states[at].children.get(&class)) {
                Some(&child) => offset(child, row),
                // The failure state was filled before: it is shallower.
                None if at != 0 => next[states[at].fail * row + usize::from(class)],
                None => 0,
            };
            next[at * row + usize::from(class)] = target;
        }
    }
    let mut ends = Vec::new();
    let mut ends_at = Vec::with_capacity(states.len() + 1);
    for state in states {
        ends_at.push(offset(ends.len(), 1));
        ends.extend(&state.ends);
    }
    ends_at.push(offset(ends.len(), 1));
    Automaton { classes, width, next, ends_at, ends }
}

/// A row's place. Tables of 4 GiB are far beyond what the anchors of any catalogue make.
fn offset(index: usize, row: usize) -> u32 {
    u32::try_from(index * row).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_engine::scan::{Action, Catalogue, Profile};

    fn detectors(anchors: &[&str]) -> Vec<Detector> {
        let detector = |(number, anchor): (usize, &&str)| Detector {
            id: format!("d{number:02}"),
            anchors: vec![anchor.to_string()],
            segments: vec![],
            whole_word: false,
            min_entropy: 0,
        };
        anchors.iter().enumerate().map(detector).collect()
    }

    /// Every occurrence of every anchor, found by looking for each.
    fn naive(anchors: &[&str], text: &str) -> Vec<(u16, usize)> {
        let mut found: Vec<(u16, usize)> = Vec::new();
        for (anchor, id) in anchors.iter().zip(0..) {
            let ends =
                (0..text.len()).filter(|&at| text[at..].starts_with(anchor)).map(|at| at + anchor.len());
            found.extend(ends.map(|end| (id, end)));
        }
        found.sort_unstable_by_key(|&(id, end)| (end, id));
        found
    }

    #[test]
    fn overlapping_anchors_are_all_found() {
        let anchors = ["abcd", "bcd", "cd", "abx", "bca", "dab"];
        for text in ["abcdabx", "bcabcd", "xxabcd", "dabcdab", "ab", ""] {
            let detectors = detectors(&anchors);
            let automaton = build(&detectors);
            let catalogue = Catalogue { detectors, automaton };
            let mut found = Vec::new();
            let profile = Profile { actions: vec![Action::Alert; anchors.len()] };
            catalogue.scan(&profile, text.as_bytes(), |m| found.push((m.detector.0, m.end)));
            found.sort_unstable_by_key(|&(id, end)| (end, id));
            assert_eq!(found, naive(&anchors, text), "{text}");
        }
    }
}
