//! The tables that the engine scans with, from definitions.

use std::collections::BTreeMap;

use sallyport_engine::scan::{
    self, ByteSet, Catalogue, Detector, DetectorId, MAX_DIGIT_DETECTORS, Meaning, SHAPES, SetId, hosts,
};

use super::definition::{Definition, Finder, Pattern};
use super::shapes;
use super::triggers::{self, Words};

/// Why definitions make no tables.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TooMuch {
    /// More than [`MAX_DIGIT_DETECTORS`] detectors that digits trigger.
    Digits,
    /// More different sets of bytes than can be numbered.
    Sets,
    /// More different lists of context words than can be numbered.
    Contexts,
    /// More anchors and context words than the automaton has states for.
    Words,
}

/// The tables of detectors, which are sorted by id; `threat` says of each whether it is one.
pub fn build(definitions: &[(&Definition, bool)]) -> Result<Catalogue, TooMuch> {
    let mut builder = Builder::default();
    let mut detectors = Vec::new();
    for ((definition, threat), id) in definitions.iter().zip(0..) {
        let finder = match &definition.finder {
            Finder::Structural(which) => scan::Finder::Structural(*which),
            Finder::Values(listed) => scan::Finder::Values(scan::Values {
                set: builder.set(listed.set)?,
                lengths: listed.lengths.clone(),
                salt: listed.salt.clone(),
                digests: listed.digests.as_flattened().to_vec(),
            }),
            Finder::Pattern(pattern) => scan::Finder::Pattern(builder.pattern(pattern, DetectorId(id))?),
        };
        detectors.push(Detector {
            id: definition.id.clone(),
            severity: definition.severity,
            threat: *threat,
            finder,
        });
    }
    builder.finish(detectors)
}

#[derive(Default)]
struct Builder<'d> {
    words: Words,
    sets: Vec<ByteSet>,
    contexts: BTreeMap<&'d [String], u8>,
    digits: Vec<(DetectorId, &'d Pattern)>,
}

impl<'d> Builder<'d> {
    fn pattern(&mut self, pattern: &'d Pattern, id: DetectorId) -> Result<scan::Pattern, TooMuch> {
        if pattern.anchors.is_empty() {
            self.digits.push((id, pattern));
        }
        for anchor in &pattern.anchors {
            self.words.add(anchor, Meaning::Anchor(id));
        }
        let context = match &pattern.context {
            Some((words, within)) => Some((self.context(words)?, *within)),
            None => None,
        };
        let lead = match pattern.lead {
            Some((set, most)) => Some((self.set(set)?, most)),
            None => None,
        };
        let value = match pattern.value {
            Some(set) => Some(self.set(set)?),
            None => None,
        };
        let prefix =
            if pattern.lead.is_none() { pattern.anchors.iter().map(String::len).min() } else { None };
        Ok(scan::Pattern {
            lead,
            dfa: pattern.dfa.clone(),
            not_beside: (self.set(pattern.not_beside.0)?, self.set(pattern.not_beside.1)?),
            length: pattern.length,
            value,
            prefix: prefix.and_then(|length| u8::try_from(length).ok()).unwrap_or(0),
            checks: pattern.checks.clone(),
            min_entropy: pattern.min_entropy,
            placeholders: pattern.placeholders,
            context,
            raw: pattern.raw,
        })
    }

    fn set(&mut self, set: ByteSet) -> Result<SetId, TooMuch> {
        let at = self.sets.iter().position(|known| *known == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        u8::try_from(at).map(SetId).map_err(|_| TooMuch::Sets)
    }

    /// The number of a list of context words; they are looked for with `_`, `-` and nothing for their blanks as well.
    fn context(&mut self, words: &'d [String]) -> Result<u8, TooMuch> {
        let next = u8::try_from(self.contexts.len()).map_err(|_| TooMuch::Contexts)?;
        let group = *self.contexts.entry(words).or_insert(next);
        if group == next {
            for word in words {
                for blank in [" ", "_", "-", ""] {
                    self.words.add(&word.replace(' ', blank), Meaning::Context(group));
                }
            }
        }
        Ok(group)
    }

    fn finish(mut self, detectors: Vec<Detector>) -> Result<Catalogue, TooMuch> {
        if self.digits.len() > MAX_DIGIT_DETECTORS {
            return Err(TooMuch::Digits);
        }
        for escape in ["%", "\\"] {
            self.words.add(escape, Meaning::Escape);
        }
        for anchor in hosts::URL_ANCHORS {
            self.words.add(anchor, Meaning::Url);
        }
        for anchor in hosts::WORD_ANCHORS {
            self.words.add(anchor, Meaning::Address);
        }
        let mut shapes = vec![0_u128; 2 * SHAPES];
        for (at, (_, pattern)) in self.digits.iter().enumerate() {
            let (led, bare) = shapes.split_at_mut(SHAPES);
            for shape in shapes::of(pattern, pattern.lead) {
                led[shape] |= 1 << at;
            }
            for shape in shapes::of(pattern, None) {
                bare[shape] |= 1 << at;
            }
        }
        let mut catalogue = Catalogue::default();
        catalogue.detectors = detectors;
        catalogue.groups = u8::try_from(self.contexts.len()).map_err(|_| TooMuch::Contexts)?;
        catalogue.triggers = triggers::build(&self.words).ok_or(TooMuch::Words)?;
        catalogue.digits = self.digits.iter().map(|(id, _)| *id).collect();
        catalogue.sets = self.sets;
        catalogue.shapes = shapes;
        // Whatever could make these unsound was refused above.
        let prepared = catalogue.prepare();
        debug_assert!(prepared.is_some(), "the tables are unsound");
        Ok(catalogue)
    }
}
