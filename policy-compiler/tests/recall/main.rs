//! How much of what they are for the built-in detectors find, and how much else.
//!
//! Values are generated from what their detectors' files say of the form, by a sampler of regular expressions and by arithmetic of
//! check digits, neither of which shares code with the tables that the engine reads; then they are put where such values stand: JSON,
//! prose, YAML, environment files. Clean text is what the crates that this program is built from come with.
//!
//! `SALLYPORT_RECALL=N` generates N values of each detector instead of a few.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod arithmetic;
mod clean;
mod contexts;
mod sampler;
mod values;

use std::collections::BTreeMap;

use policy_compiler::detectors::{Finder, library, tables};
use policy_compiler::scanning::Scanner;
use sallyport_engine::scan::Place;

use contexts::CONTEXTS;
use sampler::Random;
use values::Source;

/// How many values of each detector, unless the environment says otherwise.
const VALUES: usize = 24;
/// The least share of a pack's values that is found, and the greatest of its near misses.
const LEAST_RECALL: f64 = 0.99;
const MOST_FALSE: f64 = 0.01;

/// What was counted of a pack.
#[derive(Default)]
struct Tally {
    detectors: usize,
    values: usize,
    found: usize,
    near: usize,
    taken: usize,
}

/// A scanner with every detector on.
fn scanner() -> Scanner {
    let tables = tables().clone();
    let mut scanner = Scanner { profile: tables.default.clone(), tables, place: Place::Request };
    scanner.turn_all_on();
    scanner
}

fn finds(scanner: &Scanner, text: &str, detector: &str) -> bool {
    scanner.whole(text.as_bytes()).findings.iter().any(|finding| finding.detector == detector)
}

#[test]
fn valid_values_are_found_and_near_misses_are_not() {
    let count = std::env::var("SALLYPORT_RECALL").ok().and_then(|count| count.parse().ok()).unwrap_or(VALUES);
    let scanner = scanner();
    let mut packs: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut notes: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (definition, pack) in library().detectors() {
        let Finder::Pattern(pattern) = &definition.finder else { continue };
        let tally = packs.entry(&pack.id).or_default();
        tally.detectors += 1;
        let mut random = Random::of(&definition.id);
        let source = Source::new(definition, pattern);
        for number in 0..count {
            let value = source.value(&mut random);
            let context = CONTEXTS[number % CONTEXTS.len()];
            let text = source.embed(&value, context, &mut random);
            tally.values += 1;
            if finds(&scanner, &text, &definition.id) {
                tally.found += 1;
            } else {
                let note = notes.entry(format!("{}/{}: missed", pack.id, definition.id)).or_default();
                *note = (note.0 + 1, shown(&text));
            }
            for (what, text) in source.near_misses(&value, &mut random) {
                tally.near += 1;
                if finds(&scanner, &text, &definition.id) {
                    tally.taken += 1;
                    let note =
                        notes.entry(format!("{}/{}: took {what}", pack.id, definition.id)).or_default();
                    *note = (note.0 + 1, shown(&text));
                }
            }
        }
    }
    report(&packs, &notes);
}

/// A text for the eyes of who reads the test: everything here is made up.
fn shown(text: &str) -> String {
    text.chars().take(200).collect::<String>().escape_debug().to_string()
}

fn report(packs: &BTreeMap<&str, Tally>, notes: &BTreeMap<String, (usize, String)>) {
    println!(
        "{:<20} {:>9} {:>7} {:>8} {:>12} {:>8}",
        "pack", "detectors", "values", "found", "near misses", "taken"
    );
    let mut wrong = Vec::new();
    for (pack, Tally { detectors, values, found, near, taken }) in packs {
        let share = |part: &usize, whole: &usize| *part as f64 / (*whole).max(1) as f64;
        let (recall, false_) = (share(found, values), share(taken, near));
        println!(
            "{pack:<20} {detectors:>9} {values:>7} {:>7.2}% {near:>12} {:>7.2}%",
            recall * 100.0,
            false_ * 100.0
        );
        assert!(*values >= detectors * 8, "{pack}: too few values were generated");
        if recall < LEAST_RECALL || false_ > MOST_FALSE {
            wrong.push(*pack);
        }
    }
    for (what, (times, example)) in notes {
        println!("{what} {times} times: {example}");
    }
    assert!(
        wrong.is_empty(),
        "below {LEAST_RECALL} found, or above {MOST_FALSE} of near misses taken: {wrong:?}"
    );
}
