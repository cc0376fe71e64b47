//! Clean text: what the crates that this program is built from come with, their descriptions, change logs, licences, tests and data.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use policy_compiler::detectors::tables;
use policy_compiler::scanning::Scanner;
use sallyport_engine::scan::Place;

/// What is text of people, or data as programs exchange it.
const KINDS: &[&str] =
    &["md", "json", "toml", "yml", "yaml", "txt", "lock", "stderr", "license", "adoc", "rst"];
/// How much there has to be.
const LEAST: usize = 10_000_000;
/// How much is read at most of one file and of all.
const MOST_OF_ONE: usize = 400_000;
const MOST: usize = 12_000_000;

/// What really stands in such texts, so that refusing it is no mistake: builds that pipe a download into a shell, and keys in
/// descriptions of keys. All words of a row stand in the line that was found.
const REAL: &[(&str, &[&str])] = &[
    ("download-and-run", &["curl ", "| sh"]),
    ("download-and-run", &["curl ", "| bash"]),
    ("download-in-shell", &["<(curl "]),
    ("private-key-pem", &["-----BEGIN ", " PRIVATE KEY-----"]),
];
/// How often that is so at most: these are texts about other things.
const MOST_REAL: usize = 12;

fn is_real(detector: &str, line: &str) -> bool {
    REAL.iter().any(|(known, words)| *known == detector && words.iter().all(|word| line.contains(word)))
}

/// Where cargo keeps the crates that this program is built from.
fn crates() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"))).unwrap();
    let registries = fs::read_dir(home.join("registry/src")).unwrap().map(|entry| entry.unwrap().path());
    let registries: Vec<PathBuf> = registries.collect();
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock")).unwrap();
    let field = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let packages = lock.split("[[package]]").filter(|block| block.contains("source = "));
    let names =
        packages.filter_map(|block| Some(format!("{}-{}", field(block, "name")?, field(block, "version")?)));
    names
        .flat_map(|name| registries.iter().map(move |registry| registry.join(&name)))
        .filter(|path| path.is_dir())
        .collect()
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let kind = name.rsplit('.').next().unwrap_or_default();
        if path.is_dir() {
            files(&path, out);
        } else if KINDS.contains(&kind) || name.starts_with("license") || name.starts_with("readme") {
            out.push(path);
        }
    }
}

/// The texts, each with its name, and how long they are together.
fn texts() -> (Vec<(String, Vec<u8>)>, usize) {
    let (mut texts, mut size) = (Vec::new(), 0);
    for folder in crates() {
        let mut paths = Vec::new();
        files(&folder, &mut paths);
        for path in paths {
            let mut text = fs::read(&path).unwrap();
            text.truncate(MOST_OF_ONE);
            if size < MOST && std::str::from_utf8(&text).is_ok() {
                size += text.len();
                texts.push((path.display().to_string(), text));
            }
        }
    }
    (texts, size)
}

/// What detectors did to texts.
#[derive(Default)]
struct Tally {
    /// How often each detector did what, and where last.
    all: BTreeMap<(&'static str, String), (usize, String)>,
    /// What was refused and should not have been, and how often it was rightly so.
    mistakes: Vec<String>,
    real: usize,
}

/// What the default profile does to clean texts at a place.
fn findings(place: Place, texts: &[(String, Vec<u8>)]) -> Tally {
    let tables = tables();
    let scanner = Scanner { tables: tables.clone(), profile: tables.default.clone(), place };
    let mut tally = Tally::default();
    for (name, text) in texts {
        for finding in scanner.whole(text).findings {
            let at = format!("{name}:{}:{}", finding.line, finding.column);
            if finding.action == "block" {
                let line = String::from_utf8_lossy(text).lines().nth(finding.line - 1).unwrap().to_owned();
                match is_real(&finding.detector, &line) {
                    true => tally.real += 1,
                    false => tally.mistakes.push(format!("{place:?} {} {at}", finding.detector)),
                }
            }
            let entry = tally.all.entry((finding.action, finding.detector)).or_default();
            *entry = (entry.0 + 1, at);
        }
    }
    tally
}

#[test]
fn clean_text_is_not_blocked() {
    let (texts, size) = texts();
    println!("{} texts, {size} bytes", texts.len());
    assert!(size >= LEAST, "only {size} bytes of clean text are here");
    for place in [Place::Request, Place::Response] {
        let tally = findings(place, &texts);
        for ((action, detector), (times, last)) in &tally.all {
            println!("{place:?} {action:<7} {detector:<32} {times:>5}  {last}");
        }
        assert!(tally.mistakes.is_empty(), "{:#?}", tally.mistakes);
        assert!(tally.real <= MOST_REAL, "{} texts are not clean", tally.real);
    }
}
