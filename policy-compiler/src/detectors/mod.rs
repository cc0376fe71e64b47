//! The built-in detectors, and the tables that the engine scans with.
//!
//! A detector is data: one YAML file in `detectors/`, in the folder of its pack, with texts that it must and must not match. Adding
//! one is adding a file; the files are embedded, and their samples are checked by this module's tests.

mod definition;
mod samples;
mod shapes;
mod tables;
mod triggers;

use std::sync::LazyLock;

use sallyport_engine::scan::{Catalogue, Profile, Treatment};
use serde::{Deserialize, Serialize};

pub use definition::{Definition, Finder, Pattern, VALUE_BYTES, action, bad_pattern, digest, redaction};
pub use samples::failures;
pub use tables::{TooMuch, build};
pub use triggers::words_of;

use crate::diagnostic::Diagnostics;
use crate::language::detectors::{DETECTOR, PACK};
use crate::shape::{self, Fields};
use crate::sources::{Sources, Span};

/// The files, by their paths in `detectors/`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/detectors.rs"));
/// The packs whose detectors find attacks.
const THREATS: [&str; 3] = ["ssrf-files", "command-execution", "agent-text"];

/// A pack of detectors.
#[derive(Debug)]
pub struct Pack {
    /// Its name, which is that of its folder.
    pub id: String,
    /// What its detectors find.
    pub doc: String,
    /// Whether they are on unless a profile says otherwise.
    pub on: bool,
    /// Whether they find attacks, rather than what must not leak.
    pub threat: bool,
    /// The detectors, by id.
    pub detectors: Vec<Definition>,
}

/// Everything that is built in, as it is written.
#[derive(Debug)]
pub struct Library {
    /// The packs, by id.
    pub packs: Vec<Pack>,
}

/// What is built in, as tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tables {
    /// The tables of all detectors.
    pub catalogue: Catalogue,
    /// What they do by default, in the order of the tables.
    pub default: Profile,
    /// What each of them does where it is on.
    pub own: Vec<Treatment>,
    /// The pack of each of them.
    pub packs: Vec<String>,
}

/// The tables of the built-in detectors, compiled ahead: determinising their patterns takes longer than compiling a policy. A test holds
/// them against the files.
const COMPILED: &[u8] = include_bytes!("../../detectors/tables.bin");

/// What is built in, as tables.
pub fn tables() -> &'static Tables {
    static TABLES: LazyLock<Tables> = LazyLock::new(|| {
        let mut tables: Tables = postcard::from_bytes(COMPILED).unwrap_or_default();
        let prepared = tables.catalogue.prepare();
        debug_assert!(prepared.is_some(), "the compiled tables are unsound");
        tables
    });
    &TABLES
}

/// What is built in, as it is written; read once.
pub fn library() -> &'static Library {
    static LIBRARY: LazyLock<Library> =
        LazyLock::new(|| read(Some(&tables().catalogue), &mut Diagnostics::default()));
    &LIBRARY
}

/// The tables of every built-in detector.
pub fn catalogue() -> Catalogue {
    tables().catalogue.clone()
}

impl Pack {
    /// The pack of a policy's own detectors.
    pub fn custom(detectors: Vec<Definition>) -> Self {
        let doc = "The detectors of the policy itself.".to_owned();
        Self { id: "custom".to_owned(), doc, on: true, threat: false, detectors }
    }
}

impl Library {
    /// Every detector with its pack, by id.
    pub fn detectors(&self) -> Vec<(&Definition, &Pack)> {
        let mut all: Vec<_> =
            self.packs.iter().flat_map(|pack| pack.detectors.iter().map(move |of| (of, pack))).collect();
        all.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        all
    }

    /// The tables of all that is written, and of a policy's own detectors.
    pub fn compile(&self, custom: &Pack) -> Result<Tables, TooMuch> {
        let mut all = self.detectors();
        all.extend(custom.detectors.iter().map(|of| (of, custom)));
        all.sort_by(|a, b| a.0.id.cmp(&b.0.id));
        let definitions: Vec<(&Definition, bool)> = all.iter().map(|(of, pack)| (*of, pack.threat)).collect();
        let default = all.iter().map(|(of, pack)| {
            let off = Treatment { redaction: of.treatment.redaction, ..Treatment::default() };
            if of.on && pack.on { of.treatment } else { off }
        });
        Ok(Tables {
            catalogue: build(&definitions)?,
            default: Profile::new(default.collect(), Vec::new()),
            own: all.iter().map(|(of, _)| of.treatment).collect(),
            packs: all.iter().map(|(_, pack)| pack.id.clone()).collect(),
        })
    }
}

/// Reads the embedded files.
fn read(known: Option<&Catalogue>, out: &mut Diagnostics) -> Library {
    let mut sources = Sources::default();
    let ids: Vec<_> = FILES.iter().map(|(name, text)| (name, sources.add(*name, *text))).collect();
    let mut packs: Vec<Pack> = Vec::new();
    for (name, file) in ids {
        let folder = name.split('/').next().unwrap_or_default();
        if packs.last().is_none_or(|pack| pack.id != folder) {
            let (doc, on, detectors) = (String::new(), false, Vec::new());
            let threat = THREATS.contains(&folder);
            packs.push(Pack { id: folder.to_owned(), doc, on, threat, detectors });
        }
        let Some(pack) = packs.last_mut() else { continue };
        for node in crate::yaml::parse(&sources, file, out) {
            let is_pack = name.ends_with("/pack.yaml");
            let before = out.len();
            shape::check(&node, if is_pack { &PACK } else { &DETECTOR }, Span::start_of(file), out);
            if out.len() > before {
                continue;
            }
            let fields = Fields::of(&node);
            if is_pack {
                pack.doc = fields.word("doc").map(|doc| doc.text.to_owned()).unwrap_or_default();
                pack.on = fields.word("default").is_some_and(|word| word.text == "true");
            } else {
                let id = fields.text("id").map_or("", |id| id.text);
                pack.detectors.extend(Definition::read(id, fields, known, out));
            }
        }
    }
    Library { packs }
}

#[cfg(test)]
mod tests;
