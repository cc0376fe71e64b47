//! How fast texts are looked through with the default detectors: natively, as a module in V8 and in wasmtime, and beside libraries that
//! look for the same patterns or anchors.
//!
//! The peers find less: they decode and fold nothing, check no digits and know no context. Their numbers say what looking for so many
//! patterns costs elsewhere.

use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use policy_compiler::detectors::{Finder, library, tables};
use sallyport_engine::json::{Document, Numbers};
use sallyport_engine::scan::{Inspector, Place, Profile};
use serde::Serialize;
use wasmtime::{Instance, Memory, Store, TypedFunc};

use super::texts::{CLEAN, Text, texts};

/// Where `scripts/build-module --scan` leaves the scanner as a module.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/scan.wasm");
/// What drives it in V8.
const DRIVER: &str = include_str!("scan.js");
/// Names the program that `scripts/hyperscan` builds.
const HYPERSCAN: &str = "SALLYPORT_HYPERSCAN";
/// How often a text is looked through in each place; the fastest time counts, which is the one without other work on the machine.
const TIMES: usize = 40;
/// Megabytes a second in V8, and beside native code.
const BUDGET_V8: f64 = 400.0;
const BUDGET_RATIO: f64 = 0.8;
/// Bytes of tables.
const BUDGET_TABLES: usize = 512 * 1024;

/// Megabytes a second, of each text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scan {
    rows: Vec<Row>,
    table_bytes: usize,
    /// Why a column is empty.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    text: &'static str,
    findings: usize,
    native: f64,
    document: Option<f64>,
    wasmtime: f64,
    v8: Option<f64>,
    regex_set: Option<f64>,
    aho_corasick: Option<f64>,
    hyperscan: Option<f64>,
}

/// Measures every text everywhere.
pub(super) fn measure() -> Result<Scan, Box<dyn Error>> {
    let texts = texts();
    let mut notes = Vec::new();
    let mut column = |name: &str, speeds: Result<Vec<f64>, String>| {
        speeds.map_err(|why| notes.push(format!("{name}: {why}"))).unwrap_or_default()
    };
    let folder = tempfile::tempdir()?;
    let paths = write(folder.path(), &texts)?;
    let wasmtime = in_wasmtime(&folder.path().join("tables"), &texts)?;
    let v8 =
        column("V8", outside(Command::new("node").args(["-e", DRIVER, "--", MODULE]), folder.path(), &paths));
    let hyperscan = match std::env::var_os(HYPERSCAN) {
        Some(program) => {
            outside(Command::new(program).arg(folder.path().join("patterns")), folder.path(), &paths)
        }
        None => Err("scripts/hyperscan did not build it".to_owned()),
    };
    let hyperscan = column("Hyperscan", hyperscan);
    let set = column("RegexSet", regex_set(&texts));
    let anchors = column("aho-corasick", aho_corasick(&texts));
    let rows = texts.iter().enumerate().map(|(at, text)| {
        let (native, findings) = native(text);
        Row {
            text: text.name,
            findings,
            native,
            document: document(text),
            wasmtime: wasmtime[at],
            v8: v8.get(at).copied(),
            regex_set: set.get(at).copied(),
            aho_corasick: anchors.get(at).copied(),
            hyperscan: hyperscan.get(at).copied(),
        }
    });
    Ok(Scan { rows: rows.collect(), table_bytes: tables().catalogue.table_bytes(), notes })
}

/// The files that programs outside read: the tables, the patterns, a line each, and the texts.
fn write(folder: &Path, texts: &[Text]) -> Result<Vec<std::path::PathBuf>, Box<dyn Error>> {
    let tables = tables();
    std::fs::write(folder.join("tables"), postcard::to_allocvec(&(&tables.catalogue, &tables.default))?)?;
    std::fs::write(folder.join("patterns"), patterns().join("\n"))?;
    let mut paths = Vec::new();
    for text in texts {
        let path = folder.join(text.name.replace(' ', "-"));
        std::fs::write(&path, &text.bytes)?;
        paths.push(path);
    }
    Ok(paths)
}

/// The patterns of the catalogue's files.
fn patterns() -> Vec<String> {
    let detectors = library().detectors();
    let patterns = detectors.iter().filter_map(|(of, _)| match &of.finder {
        Finder::Pattern(pattern) => Some(pattern.regex.replace('\n', "\\n")),
        Finder::Structural(_) | Finder::Values(_) => None,
    });
    patterns.collect()
}

// === the measurements ===

/// Megabytes a second of the fastest run.
fn fastest(bytes: usize, mut once: impl FnMut()) -> f64 {
    let timed = (0..TIMES).map(|_| {
        let began = Instant::now();
        once();
        began.elapsed()
    });
    speed(bytes, timed.min().unwrap_or_default())
}

fn speed(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(1e-9) / 1e6
}

/// What is done about findings by default, ready as in a policy that is loaded: so it is in the module.
fn profile() -> Profile {
    let tables = tables();
    let mut profile = tables.default.clone();
    profile.prepare(&tables.catalogue.digits);
    profile
}

fn native(text: &Text) -> (f64, usize) {
    let (tables, profile) = (tables(), profile());
    let mut findings = 0;
    let speed = fastest(text.bytes.len(), || {
        let mut inspector = Inspector::new(&tables.catalogue, &profile, Place::Request);
        inspector.text(black_box(&text.bytes));
        findings = inspector.finish().findings.len();
    });
    (speed, findings)
}

/// Where the text is a document: read by the strict parser first, then value by value.
fn document(text: &Text) -> Option<f64> {
    let (tables, profile) = (tables(), profile());
    Document::parse_with(&text.bytes, Numbers::Opaque).ok()?;
    Some(fastest(text.bytes.len(), || {
        let mut inspector = Inspector::new(&tables.catalogue, &profile, Place::Request);
        if let Ok(document) = Document::parse_with(black_box(&text.bytes), Numbers::Opaque) {
            inspector.document(&document);
        }
        black_box(inspector.finish());
    }))
}

fn in_wasmtime(tables: &Path, texts: &[Text]) -> Result<Vec<f64>, Box<dyn Error>> {
    let engine = wasmtime::Engine::default();
    let module = std::fs::read(MODULE)
        .map_err(|why| format!("{MODULE}: {why}: scripts/build-module --scan makes it"))?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &wasmtime::Module::new(&engine, module)?, &[])?;
    let mut scanner = InModule {
        memory: instance.get_memory(&mut store, "memory").ok_or("the module has no memory")?,
        room: instance.get_typed_func(&mut store, "room")?,
        store,
    };
    scanner.put(&std::fs::read(tables)?)?;
    let load: TypedFunc<(), u32> = instance.get_typed_func(&mut scanner.store, "load")?;
    if load.call(&mut scanner.store, ())? == 0 {
        return Err("the module does not take the tables".into());
    }
    let text: TypedFunc<u32, u32> = instance.get_typed_func(&mut scanner.store, "text")?;
    let mut speeds = Vec::new();
    for Text { bytes, .. } in texts {
        scanner.put(bytes)?;
        let mut failed = None;
        speeds
            .push(fastest(bytes.len(), || failed = text.call(&mut scanner.store, 1).err().or(failed.take())));
        failed.map_or(Ok(()), Err)?;
    }
    Ok(speeds)
}

struct InModule {
    memory: Memory,
    room: TypedFunc<u32, u32>,
    store: Store<()>,
}

impl InModule {
    fn put(&mut self, input: &[u8]) -> Result<(), Box<dyn Error>> {
        let at = self.room.call(&mut self.store, u32::try_from(input.len())?)?;
        Ok(self.memory.write(&mut self.store, usize::try_from(at)?, input)?)
    }
}

/// Nanoseconds that a program outside says that it takes for each text, a line each, as megabytes a second.
fn outside(command: &mut Command, folder: &Path, paths: &[std::path::PathBuf]) -> Result<Vec<f64>, String> {
    let output = command.arg(folder.join("tables")).args(paths).output().map_err(|why| why.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let sizes = paths.iter().map(|path| std::fs::metadata(path).map_or(0, |data| data.len() as usize));
    let times = said.lines().filter_map(|line| line.parse::<f64>().ok());
    let speeds: Vec<f64> = sizes.zip(times).map(|(size, nanos)| size as f64 * 1e3 / nanos.max(1.0)).collect();
    if speeds.len() == paths.len() {
        Ok(speeds)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn regex_set(texts: &[Text]) -> Result<Vec<f64>, String> {
    let patterns = patterns();
    let set = regex::bytes::RegexSetBuilder::new(&patterns)
        .unicode(false)
        .size_limit(1 << 28)
        .dfa_size_limit(1 << 26)
        .build();
    let set = set.map_err(|why| why.to_string())?;
    Ok(texts
        .iter()
        .map(|Text { bytes, .. }| fastest(bytes.len(), || drop(black_box(set.matches(bytes)))))
        .collect())
}

fn aho_corasick(texts: &[Text]) -> Result<Vec<f64>, String> {
    let automaton = aho_corasick::AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(tables().catalogue.triggers.texts());
    let automaton = automaton.map_err(|why| why.to_string())?;
    let count = |bytes: &[u8]| {
        black_box(automaton.find_overlapping_iter(bytes).count());
    };
    Ok(texts.iter().map(|Text { bytes, .. }| fastest(bytes.len(), || count(bytes))).collect())
}

// === the table ===

impl fmt::Display for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<18} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}   {:>8} {:>8} {:>9}",
            "scan, MB/s",
            "findings",
            "native",
            "document",
            "wasmtime",
            "V8",
            "V8/nat.",
            "RegexSet",
            "anchors",
            "Hyperscan"
        )?;
        let or_dash =
            |speed: Option<f64>| speed.map_or_else(|| "-".to_owned(), |speed| format!("{speed:.0}"));
        for row in &self.rows {
            let ratio = row.v8.map_or_else(|| "-".to_owned(), |v8| format!("{:.2}", v8 / row.native));
            writeln!(
                f,
                "{:<18} {:>8} {:>8.0} {:>8} {:>8.0} {:>8} {ratio:>8}   {:>8} {:>8} {:>9}",
                row.text,
                row.findings,
                row.native,
                or_dash(row.document),
                row.wasmtime,
                or_dash(row.v8),
                or_dash(row.regex_set),
                or_dash(row.aho_corasick),
                or_dash(row.hyperscan),
            )?;
        }
        if let Some((v8, ratio)) = self
            .rows
            .iter()
            .find(|row| row.text == CLEAN)
            .and_then(|row| Some((row.v8?, row.v8? / row.native)))
        {
            let verdict = super::report::verdict;
            writeln!(f, "{CLEAN} in V8: {v8:.0} MB/s; budget {BUDGET_V8}: {}", verdict(v8 >= BUDGET_V8))?;
            writeln!(
                f,
                "   beside native: {ratio:.2}; budget {BUDGET_RATIO}: {}",
                verdict(ratio >= BUDGET_RATIO)
            )?;
        }
        let (bytes, within) = (self.table_bytes, super::report::verdict(self.table_bytes <= BUDGET_TABLES));
        writeln!(f, "tables of the built-in detectors: {bytes} bytes; budget {BUDGET_TABLES}: {within}")?;
        self.notes.iter().try_for_each(|note| writeln!(f, "not measured: {note}"))
    }
}
