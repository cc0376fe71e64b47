//! What detectors find otherwise: their definitions, as they were compiled. How they were written means nothing.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_engine::policy::PolicyParts;
use sallyport_engine::scan::{
    ByteSet, Catalogue, DIGEST_BYTES, Detector, Dfa, Finder, Meaning, Pattern, Values,
};

use super::{Change, Direction, Subject};
use crate::detectors::words_of;
use crate::suggest::listing;

/// The most words that a sentence lists.
const MOST_WORDS: usize = 12;

/// A sentence of a change, and whether more is possible by it.
type Told = (Direction, String);

/// The words of a catalogue, by what they mean.
type Words = BTreeMap<Meaning, BTreeSet<String>>;

/// Everything that detectors of both policies find otherwise.
pub(super) fn compare(before: &PolicyParts, after: &PolicyParts) -> Vec<Change> {
    let (before, after) = (&before.catalogue, &after.catalogue);
    if (&before.detectors, &before.sets, &before.triggers) == (&after.detectors, &after.sets, &after.triggers)
    {
        return Vec::new();
    }
    let (old, new) = (Known::of(before), Known::of(after));
    let mut changes = Vec::new();
    for (id, was) in &old.detectors {
        let Some(is) = new.detectors.get(id) else { continue };
        let subject = Subject::Detector { name: (*id).to_owned() };
        let told = old.at(was).told(&new.at(is));
        changes.extend(told.into_iter().map(|(change, sentence)| Change {
            subject: subject.clone(),
            service: None,
            change,
            sentence,
        }));
    }
    changes
}

/// A catalogue, with the words that its automaton looks for.
struct Known<'c> {
    catalogue: &'c Catalogue,
    words: Words,
    /// Each detector with the word of the automaton that means it.
    detectors: BTreeMap<&'c str, (&'c Detector, Meaning)>,
}

/// A detector in its catalogue.
struct Placed<'k> {
    known: &'k Known<'k>,
    detector: &'k Detector,
    anchor: Meaning,
}

impl<'c> Known<'c> {
    fn of(catalogue: &'c Catalogue) -> Self {
        let mut words = Words::new();
        for (text, meaning) in words_of(&catalogue.triggers) {
            words.entry(meaning).or_default().insert(String::from_utf8_lossy(&text).into_owned());
        }
        let ids = (0..).map(|id| Meaning::Anchor(sallyport_engine::scan::DetectorId(id)));
        let detectors = catalogue.detectors.iter().zip(ids);
        let detectors = detectors.map(|(detector, anchor)| (detector.id.as_str(), (detector, anchor)));
        Self { catalogue, words, detectors: detectors.collect() }
    }

    fn at<'k>(&'k self, (detector, anchor): &(&'k Detector, Meaning)) -> Placed<'k> {
        Placed { known: self, detector, anchor: *anchor }
    }
}

impl Placed<'_> {
    fn told(&self, new: &Self) -> Vec<Told> {
        let (was, is) = (self.detector, new.detector);
        let mut told = Vec::new();
        if was.severity != is.severity {
            let (was, is) = (was.severity.as_str(), is.severity.as_str());
            told.push((Direction::Other, format!("has severity {is}; before {was}")));
        }
        if was.threat != is.threat {
            let what = |threat| if threat { "an attack" } else { "what must not leak" };
            let sentence = format!("finds {}; before {}", what(is.threat), what(was.threat));
            told.push((Direction::Other, sentence));
        }
        match (&was.finder, &is.finder) {
            (Finder::Pattern(old), Finder::Pattern(pattern)) => {
                told.extend(self.pattern(old, new, pattern));
            }
            (Finder::Values(old), Finder::Values(values)) => told.extend(self.values(old, new, values)),
            (Finder::Structural(old), Finder::Structural(which)) if old == which => {}
            (old, finder) => {
                let sentence = format!("finds by {}; before by {}", kind(finder), kind(old));
                told.push((Direction::Other, sentence));
            }
        }
        told
    }

    fn pattern(&self, old: &Pattern, new: &Self, pattern: &Pattern) -> Vec<Told> {
        let mut told = Vec::new();
        if !is_same(&old.dfa, &pattern.dfa) {
            told.push((Direction::Other, "finds by another pattern".to_owned()));
        }
        told.extend(listed("looks for", self.words(self.anchor), new.words(new.anchor)));
        let lead = |placed: &Self, of: &Pattern| of.lead.map(|(set, most)| (placed.set(set), most));
        if lead(self, old) != lead(new, pattern) {
            told.push((Direction::Other, "takes other bytes before its anchors".to_owned()));
        }
        let beside =
            |of: &Self, pattern: &Pattern| (of.set(pattern.not_beside.0), of.set(pattern.not_beside.1));
        if beside(self, old) != beside(new, pattern) {
            told.push((Direction::Other, "takes other bytes beside a match".to_owned()));
        }
        let value = |of: &Self, pattern: &Pattern| pattern.value.map(|set| of.set(set));
        if value(self, old) != value(new, pattern) {
            told.push((Direction::Other, "takes another part of a match for the value".to_owned()));
        }
        told.extend(length(old.length, pattern.length));
        told.extend(checks(old, pattern));
        told.extend(entropy(old.min_entropy, pattern.min_entropy));
        told.extend(match (old.placeholders, pattern.placeholders) {
            (false, true) => Some((Direction::Less, "finds placeholders, too".to_owned())),
            (true, false) => Some((Direction::More, "no longer finds placeholders".to_owned())),
            (true, true) | (false, false) => None,
        });
        told.extend(self.context(old, new, pattern));
        if old.raw != pattern.raw {
            let how = if pattern.raw { "as they stand" } else { "folded" };
            told.push((Direction::Other, format!("reads texts {how} now")));
        }
        told
    }

    fn context(&self, old: &Pattern, new: &Self, pattern: &Pattern) -> Vec<Told> {
        let group = |of: &Self, group: u8| of.words(Meaning::Context(group));
        match (old.context, pattern.context) {
            (None, None) => Vec::new(),
            (None, Some((words, within))) => {
                let words = some(&spoken(&group(new, words)));
                vec![(Direction::More, format!("finds only within {within} bytes after {words}"))]
            }
            (Some(_), None) => vec![(Direction::Less, "finds without words before it, too".to_owned())],
            (Some((was, before)), Some((is, within))) => {
                let mut told = listed("asks for words before it,", group(self, was), group(new, is));
                if before != within {
                    let direction = if within < before { Direction::More } else { Direction::Less };
                    let sentence =
                        format!("asks for words within {within} bytes before it; before within {before}");
                    told.push((direction, sentence));
                }
                told
            }
        }
    }

    fn values(&self, old: &Values, new: &Self, values: &Values) -> Vec<Told> {
        let mut told = Vec::new();
        if old.salt != values.salt {
            told.push((Direction::Other, "knows values by digests of another salt".to_owned()));
        } else {
            let digests = |of: &Values| -> BTreeSet<[u8; DIGEST_BYTES]> {
                of.digests.as_chunks::<DIGEST_BYTES>().0.iter().copied().collect()
            };
            let (was, is) = (digests(old), digests(values));
            match is.difference(&was).count() {
                0 => {}
                count => told.push((Direction::Less, format!("knows {count} more by their digests"))),
            }
            match was.difference(&is).count() {
                0 => {}
                count => told.push((Direction::More, format!("no longer knows {count} of its values"))),
            }
        }
        let lengths = |of: &Values| of.lengths.iter().copied().collect::<BTreeSet<_>>();
        if lengths(old) != lengths(values) {
            told.push((Direction::Other, "looks at words of other lengths".to_owned()));
        }
        if self.set(old.set) != new.set(values.set) {
            told.push((Direction::Other, "takes other bytes for those of words".to_owned()));
        }
        told
    }

    fn words(&self, meaning: Meaning) -> BTreeSet<String> {
        self.known.words.get(&meaning).cloned().unwrap_or_default()
    }

    fn set(&self, id: sallyport_engine::scan::SetId) -> ByteSet {
        self.known.catalogue.sets.get(usize::from(id.0)).copied().unwrap_or_default()
    }
}

fn kind(finder: &Finder) -> &'static str {
    match finder {
        Finder::Pattern(_) => "a pattern",
        Finder::Structural(_) => "code of the engine's",
        Finder::Values(_) => "digests of values",
    }
}

/// A sentence for the words that came, and one for those that went. With more words, more is found.
fn listed(verb: &str, was: BTreeSet<String>, is: BTreeSet<String>) -> Vec<Told> {
    let (was, is) = (spoken(&was), spoken(&is));
    let came: BTreeSet<_> = is.difference(&was).cloned().collect();
    let went: BTreeSet<_> = was.difference(&is).cloned().collect();
    let mut told = Vec::new();
    if !came.is_empty() {
        told.push((Direction::Less, format!("{verb} {} now, too", some(&came))));
    }
    if !went.is_empty() {
        told.push((Direction::More, format!("{verb} {} no longer", some(&went))));
    }
    told
}

/// Words as they were written: what only stands for a blank that is written otherwise is left out.
fn spoken(words: &BTreeSet<String>) -> BTreeSet<String> {
    let with_blanks = words.iter().filter(|word| word.contains(' '));
    let variants: BTreeSet<String> =
        with_blanks.flat_map(|word| ["_", "-", ""].map(|blank| word.replace(' ', blank))).collect();
    words.difference(&variants).cloned().collect()
}

fn some(words: &BTreeSet<String>) -> String {
    let shown = || words.iter().take(MOST_WORDS).map(String::as_str);
    match words.len().saturating_sub(MOST_WORDS) {
        0 => listing(shown()),
        more => format!(
            "{} and {more} more",
            shown().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn length(was: (u16, u16), is: (u16, u16)) -> Option<Told> {
    let direction = match (is.0 <= was.0 && is.1 >= was.1, is.0 >= was.0 && is.1 <= was.1) {
        (true, true) => return None,
        (true, false) => Direction::Less,
        (false, true) => Direction::More,
        (false, false) => Direction::Other,
    };
    let words = |(least, most): (u16, u16)| format!("{least} to {most} bytes");
    Some((direction, format!("finds what has {}; before {}", words(is), words(was))))
}

fn checks(old: &Pattern, new: &Pattern) -> Vec<Told> {
    let names = |of: &Pattern| of.checks.iter().map(|check| check.name()).collect::<BTreeSet<_>>();
    let (was, is) = (names(old), names(new));
    let mut told = Vec::new();
    let mut tell = |direction, verb: &str, names: Vec<&str>| {
        if !names.is_empty() {
            told.push((direction, format!("{verb} {}", listing(names.into_iter()))));
        }
    };
    tell(Direction::More, "asks for check", is.difference(&was).copied().collect());
    tell(Direction::Less, "no longer asks for check", was.difference(&is).copied().collect());
    told
}

fn entropy(was: u8, is: u8) -> Option<Told> {
    let direction = match is.cmp(&was) {
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Greater => Direction::More,
        std::cmp::Ordering::Less => Direction::Less,
    };
    let bits = |sixteenths| f64::from(sixteenths) / 16.0;
    Some((direction, format!("asks for {} bits of entropy a byte; before {}", bits(is), bits(was))))
}

/// Whether two automata accept the same texts: they are walked side by side, as far as both can get.
fn is_same(one: &Dfa, other: &Dfa) -> bool {
    if one == other {
        return true;
    }
    let start = (one.start(), other.start());
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some((a, b)) = open.pop() {
        if one.accepts_in(a) != other.accepts_in(b) {
            return false;
        }
        for byte in 0..=u8::MAX {
            let next = (one.step(a, byte), other.step(b, byte));
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patterns::dfa;

    #[test]
    fn patterns_are_the_same_by_what_they_accept() {
        let same = |one, other| is_same(&dfa(one).unwrap(), &dfa(other).unwrap());
        assert!(
            same("a(b|c)", "a(c|b)")
                && same("a[bc]", "ab|ac")
                && same("aa*", "a+")
                && same("[0-9]{2}", "[0-9][0-9]")
        );
        assert!(!same("a[bc]", "a[bd]") && !same("a+", "a{1,9}") && !same("a", "A") && !same("ab?", "ab"));
    }
}
