//! Builds the engine's trie of all words.

use std::collections::{BTreeMap, VecDeque};

use sallyport_engine::scan::{MAX_STATES, Meaning, Triggers, Word};

/// Words, with ASCII case folded, and what each means.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<(Vec<u8>, Meaning)>);

impl Words {
    /// Adds a word; twice is once.
    pub(super) fn add(&mut self, word: &str, meaning: Meaning) {
        let entry = (word.to_ascii_lowercase().into_bytes(), meaning);
        if !entry.0.is_empty() && !self.0.contains(&entry) {
            self.0.push(entry);
        }
    }
}

#[derive(Default)]
struct Node {
    children: BTreeMap<u8, usize>,
    ends: Vec<Word>,
}

/// The trie of words; `None` where there are more than it has states for, or one is longer than 255 bytes.
pub(super) fn build(words: &Words) -> Option<Triggers> {
    let classes = classes(words);
    let nodes = trie(words, &classes)?;
    let order = breadth_first(&nodes);
    let mut numbers = vec![0_u16; nodes.len()];
    for (&at, number) in order.iter().zip(0_u16..) {
        numbers[at] = number;
    }
    let mut triggers = Triggers::default();
    triggers.ranges = ranges(&classes);
    for &at in &order {
        let node = &nodes[at];
        triggers.children.push(u8::try_from(node.children.len()).ok()?);
        triggers.labels.extend(node.children.keys());
        let mut ends = node.ends.clone();
        ends.sort_unstable();
        triggers.words.extend(ends.into_iter().map(|word| (numbers[at], word)));
    }
    Some(triggers)
}

/// The words of a trie that was prepared, in lower case, with what they mean: what `build` was given.
pub fn words_of(triggers: &Triggers) -> Vec<(Vec<u8>, Meaning)> {
    triggers.texts().into_iter().zip(&triggers.words).map(|(text, (_, word))| (text, word.meaning)).collect()
}

/// Gives each byte of the words a class of its own, both cases the same; every other byte is class 0.
fn classes(words: &Words) -> Vec<u8> {
    let mut classes = vec![0_u8; 256];
    let mut next = 1_u8;
    for byte in 0..=u8::MAX {
        if words.0.iter().any(|(text, _)| text.contains(&byte)) {
            // At most 230 classes: no upper-case letter has its own.
            classes[usize::from(byte)] = next;
            classes[usize::from(byte.to_ascii_uppercase())] = next;
            next = next.saturating_add(1);
        }
    }
    classes
}

fn ranges(classes: &[u8]) -> Vec<(u8, u8)> {
    let mut ranges: Vec<(u8, u8)> = Vec::new();
    for (byte, &class) in (0..=u8::MAX).zip(classes) {
        if ranges.last().is_none_or(|&(_, last)| last != class) {
            ranges.push((byte, class));
        }
    }
    ranges
}

fn trie(words: &Words, classes: &[u8]) -> Option<Vec<Node>> {
    let mut nodes = vec![Node::default()];
    for (text, meaning) in &words.0 {
        let mut at = 0;
        for &byte in text {
            let class = classes[usize::from(byte)];
            at = match nodes[at].children.get(&class) {
                Some(&next) => next,
                None => {
                    let next = nodes.len();
                    nodes[at].children.insert(class, next);
                    nodes.push(Node::default());
                    next
                }
            };
        }
        nodes[at].ends.push(Word { meaning: *meaning, length: u8::try_from(text.len()).ok()? });
    }
    (nodes.len() <= MAX_STATES).then_some(nodes)
}

/// The nodes, breadth first.
fn breadth_first(nodes: &[Node]) -> Vec<usize> {
    let mut order = Vec::new();
    let mut queue = VecDeque::from([0]);
    while let Some(at) = queue.pop_front() {
        order.push(at);
        queue.extend(nodes[at].children.values());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_engine::scan::DetectorId;

    /// Every occurrence of every word, in any case, found by looking for each.
    fn naive(words: &[&str], text: &str) -> Vec<(usize, u16)> {
        let text = text.to_ascii_lowercase();
        let mut found: Vec<(usize, u16)> = Vec::new();
        for (word, id) in words.iter().zip(0..) {
            let ends = (0..text.len()).filter(|&at| text[at..].starts_with(word)).map(|at| at + word.len());
            found.extend(ends.map(|end| (end, id)));
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn tables_that_would_miss_words_are_unsound() {
        let mut words = Words::default();
        words.add("ax", Meaning::Escape);
        let built = || build(&words).unwrap();
        assert!(built().prepare(&[], 0));
        // One case of a letter in a class of its own; and two letters in one class.
        let ranges = |capital, next| {
            let letters = [(b'A', capital), (b'X', 2), (b'a', 1), (b'x', 2)];
            let ends = letters.map(|(letter, _)| (if letter == b'a' { next } else { letter + 1 }, 0));
            let mut ranges: Vec<(u8, u8)> = letters.into_iter().chain(ends).chain([(0, 0)]).collect();
            ranges.sort_unstable();
            ranges
        };
        for (capital, next, sound) in [(1, b'b', true), (3, b'b', false), (1, b'c', false)] {
            let mut triggers = built();
            triggers.ranges = ranges(capital, next);
            assert_eq!(triggers.prepare(&[], 0), sound, "{capital} {next}");
        }
        // A word that says it is shorter than the way to it.
        let mut short = built();
        short.words[0].1.length = 1;
        assert!(!short.prepare(&[], 0));
    }

    proptest::proptest! {
        #[test]
        fn overlapping_words_are_all_found(
            words in proptest::collection::btree_set("[abc]{1,7}|[a-z0-9_.%/ -]{1,4}", 1..60),
            bounded in proptest::collection::vec(proptest::bool::ANY, 60),
            text in "[abcABC]{0,40}|[A-Za-z0-9_.%/ -]{0,400}",
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut all = Words::default();
            for (word, id) in words.iter().zip(0..) {
                all.add(word, Meaning::Anchor(DetectorId(id)));
            }
            let mut triggers = build(&all).unwrap();
            proptest::prop_assert!(triggers.prepare(&bounded[..words.len()], 0));
            let mut read = words_of(&triggers);
            read.sort();
            let mut written = all.0.clone();
            written.sort();
            proptest::prop_assert_eq!(read, written);
            let mut found = Vec::new();
            triggers.each(text.as_bytes(), |meaning, end| match meaning {
                Meaning::Anchor(id) => found.push((end, id.0)),
                _ => unreachable!(),
            });
            found.sort_unstable();
            let all = naive(&words, &text);
            proptest::prop_assert!(found.iter().all(|of| all.contains(of)));
            // Words of bounded detectors may be left out behind letters, digits and `_`.
            let counts = |&(end, id): &(usize, u16)| {
                let before = text.as_bytes()[..end - words[usize::from(id)].len()].last();
                !bounded[usize::from(id)] || !before.is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            proptest::prop_assert!(all.iter().filter(|of| counts(of)).all(|of| found.contains(of)));
        }
    }
}
