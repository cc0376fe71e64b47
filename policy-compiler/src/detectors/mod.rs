//! The built-in detectors, and the tables that the engine scans with.
//!
//! A detector is data: anchors, what follows them, and samples that it must and must not match. Adding one is adding an entry to
//! a pack; the samples are checked by this module's tests.

mod automaton;
mod secrets;

use sallyport_engine::scan::{Action, ByteSet, Catalogue, Detector, Profile, Segment};

/// A detector as a pack writes it.
#[derive(Debug)]
pub struct BuiltIn {
    /// The stable id.
    pub id: &'static str,
    /// What it finds; one sentence.
    pub doc: &'static str,
    /// What is done about it unless a profile says otherwise.
    pub action: Action,
    /// How every match begins; at least three bytes each.
    pub anchors: &'static [&'static str],
    /// What follows.
    pub then: &'static [Piece],
    /// Whether a match stands alone, not as a part of a longer word.
    pub whole_word: bool,
    /// The least entropy of what follows the anchor, in sixteenths of a bit per byte.
    pub min_entropy: u8,
    /// Texts with exactly one match, in parts, so that no scanner of sources takes them for secrets.
    pub finds: &'static [&'static [&'static str]],
    /// Texts without a match, in parts.
    pub passes: &'static [&'static [&'static str]],
}

/// A piece of what follows an anchor.
#[derive(Debug)]
pub enum Piece {
    /// Exactly this.
    Text(&'static str),
    /// From `min` to `max` bytes, each from the inclusive ranges.
    Run(&'static [(u8, u8)], u16, u16),
}

/// Letters, digits and both cases.
const ALNUM: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')];
/// The alphabet of base64url, and of most tokens.
const TOKEN: &[(u8, u8)] = &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z'), (b'_', b'_'), (b'-', b'-')];

/// Every built-in detector, sorted by id.
pub fn built_in() -> Vec<&'static BuiltIn> {
    let mut all: Vec<_> = secrets::PACK.iter().collect();
    all.sort_unstable_by_key(|detector| detector.id);
    all
}

/// The tables of every built-in detector.
pub fn catalogue() -> Catalogue {
    let detectors: Vec<Detector> = built_in().into_iter().map(compile).collect();
    let automaton = automaton::build(&detectors);
    Catalogue { detectors, automaton }
}

/// What the detectors of a catalogue do unless policy says otherwise. One that is not built in blocks.
pub fn default_profile(catalogue: &Catalogue) -> Profile {
    let known = built_in();
    let action = |id: &str| {
        known.iter().find(|detector| detector.id == id).map_or(Action::Block, |known| known.action)
    };
    Profile { actions: catalogue.detectors.iter().map(|detector| action(&detector.id)).collect() }
}

/// For the reference page: each detector's id, default action and doc.
pub fn docs() -> impl Iterator<Item = (&'static str, Action, &'static str)> {
    built_in().into_iter().map(|detector| (detector.id, detector.action, detector.doc))
}

fn compile(built_in: &BuiltIn) -> Detector {
    Detector {
        id: built_in.id.to_string(),
        anchors: built_in.anchors.iter().map(ToString::to_string).collect(),
        segments: built_in.then.iter().map(segment).collect(),
        whole_word: built_in.whole_word,
        min_entropy: built_in.min_entropy,
    }
}

fn segment(piece: &Piece) -> Segment {
    match piece {
        Piece::Text(text) => Segment::Literal(text.as_bytes().to_vec()),
        Piece::Run(ranges, min, max) => {
            let mut set = ByteSet::default();
            ranges.iter().flat_map(|&(first, last)| first..=last).for_each(|byte| set.insert(byte));
            Segment::Run { set, min: *min, max: *max }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn found(text: &str) -> Vec<String> {
        let catalogue = catalogue();
        let profile = Profile { actions: vec![Action::Alert; catalogue.detectors.len()] };
        let mut ids = Vec::new();
        catalogue.scan(&profile, text.as_bytes(), |found| {
            ids.push(catalogue.detector(found.detector).unwrap().id.clone())
        });
        ids
    }

    #[test]
    fn every_sample_behaves() {
        for detector in built_in() {
            assert!(
                !detector.finds.is_empty() && !detector.passes.is_empty(),
                "{} has no samples",
                detector.id
            );
            for parts in detector.finds {
                for around in [("", ""), ("key=", " "), ("\"", "\","), ("\u{e9} ", "\n")] {
                    let text = format!("{}{}{}", around.0, parts.concat(), around.1);
                    assert_eq!(found(&text), [detector.id], "{text}");
                }
            }
            for parts in detector.passes {
                assert!(
                    !found(&parts.concat()).contains(&detector.id.to_string()),
                    "{} in {parts:?}",
                    detector.id
                );
            }
        }
    }

    #[test]
    fn ids_are_distinct_and_anchors_long_enough() {
        let all = built_in();
        assert_eq!(all.iter().map(|detector| detector.id).collect::<BTreeSet<_>>().len(), all.len());
        assert!(
            all.iter().flat_map(|detector| detector.anchors).all(|anchor| (3..=255).contains(&anchor.len()))
        );
    }

    /// A run gives nothing back, so what follows it may not begin with what it swallows.
    #[test]
    fn no_run_swallows_what_follows_it() {
        for detector in catalogue().detectors {
            for pair in detector.segments.windows(2) {
                let [Segment::Run { set, min, max }, next] = pair else { continue };
                let clash = match next {
                    Segment::Literal(text) => set.contains(text[0]),
                    Segment::Run { set: next, .. } => set.intersects(next),
                };
                assert!(!clash || min == max, "{}", detector.id);
            }
        }
    }
}
