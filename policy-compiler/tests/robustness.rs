//! Whatever a file holds, the compiler answers with a policy or with diagnostics: it never panics, and never neither.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::path::Path;
use std::thread;

use policy_compiler::compile_files;
use policy_compiler::report::{Colour, Report};

/// How many mutants of each seed are tried.
const MUTANTS: u32 = 80;

/// What is put into files: the words of the language and of YAML, and what is neither.
const PIECES: [&str; 24] = [
    "",
    "\n",
    "  ",
    "- ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\t",
    "*",
    "&a ",
    "!x ",
    "#",
    "---\n",
    "|\n",
    "null",
    "\u{0}",
    "\u{feff}",
    "\u{1f600}",
    "\\ud83d",
    "\r",
];

/// A small generator of numbers (an LCG with Knuth's constants): the same mutants on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

fn mutate(text: &str, numbers: &mut Numbers) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(characters.len() + 1);
        let until = (at + numbers.below(6)).min(characters.len());
        let piece = PIECES[numbers.below(PIECES.len())];
        characters.splice(at..until, piece.chars());
    }
    characters.into_iter().collect()
}

fn seeds() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        Some((name, fs::read_to_string(&path).ok()?))
    };
    let mut seeds: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e != "txt")).filter_map(read).collect();
    seeds.sort();
    seeds
}

/// Puts mutants of a seed to the compiler; how many of them are policies.
fn try_mutants(name: &str, seed: &str, numbers: &mut Numbers) -> u32 {
    let mut policies = 0;
    for _ in 0..MUTANTS {
        let mut report = Report::default();
        report.sources.add(name, mutate(seed, numbers));
        let ids: Vec<_> = report.sources.ids().collect();
        let Report { sources, diagnostics } = &mut report;
        let policy = compile_files(sources, &ids, diagnostics);
        let shown = report.text(Colour::Always) + &report.json();
        assert_eq!(policy.is_none(), report.has_errors(), "{shown}");
        policies += u32::from(policy.is_some());
    }
    policies
}

#[test]
fn no_file_makes_the_compiler_panic() {
    let seeds = seeds();
    assert!(seeds.len() > 40);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let policies: u32 = thread::scope(|scope| {
        let seeds = &seeds;
        let part = |first| {
            move || {
                let some = seeds.iter().zip(0_u64..).skip(first).step_by(cores);
                some.map(|((name, seed), number)| try_mutants(name, seed, &mut Numbers(number))).sum::<u32>()
            }
        };
        let threads: Vec<_> = (0..cores).map(|first| scope.spawn(part(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let tried = u32::try_from(seeds.len()).unwrap() * MUTANTS;
    assert!(policies > 0 && policies < tried, "{policies} policies of {tried}");
}
