//! DLP profiles: an action for each detector, by name in policy and by number in a bundle.

use std::collections::{BTreeMap, BTreeSet};

use sallyport_engine::policy::ProfileId;
use sallyport_engine::scan::{Action, Catalogue, Exception, Profile, Treatment};

use super::names::Names;
use super::{Detection, exceptions};
use crate::detectors::{self, Tables};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::language::Kind;
use crate::shape::{Fields, Text};
use crate::source::Document;
use crate::sources::Span;
use crate::suggest::{did_you_mean, listing};
use crate::tree::{Entry, Node};

/// The profiles that policy names, and those that agents need.
pub(super) struct Profiles<'n> {
    names: Names<'n>,
    tables: &'n Tables,
    named: Vec<Profile>,
    default: Profile,
    /// What any of them allows.
    exceptions: Vec<Exception>,
    /// The key of what stands for values.
    key: Vec<u8>,
    /// Where the first stands that asks for a key.
    hashes: Option<Span>,
    /// Each distinct profile of an agent or a service, with the number it was first asked for under.
    needed: BTreeMap<Profile, u16>,
    /// Where the first stands whose profile has no number left.
    overflow: Option<Span>,
}

impl<'n> Profiles<'n> {
    /// Reads every DlpProfile; actions start from the catalogue's defaults.
    pub(super) fn new(documents: &[Document<'n, '_>], tables: &'n Tables, out: &mut Diagnostics) -> Self {
        let names = Names::new(Kind::DlpProfile, documents, out);
        let default = tables.default.clone();
        let (mut exceptions, mut hashes) = (Vec::new(), None);
        let mut named = Vec::new();
        for document in documents {
            let mut profile = read(document, tables, &default, out);
            allow(document, tables, &mut profile, &mut exceptions, out);
            hashes = hashes.or_else(|| asks_for_hashes(document));
            named.push(profile);
        }
        let hashes = hashes.filter(|_| named.iter().any(replaces_by_hash));
        let (key, needed) = (Vec::new(), BTreeMap::new());
        Self { names, tables, named, default, exceptions, key, hashes, needed, overflow: None }
    }

    /// Takes the key of what stands for values from the Gate, and reports where one is missing.
    pub(super) fn set_key(&mut self, gate: Option<&Document<'_, '_>>, out: &mut Diagnostics) {
        let written = gate.and_then(|gate| gate.spec.word("hashKey"));
        match (written, self.hashes) {
            (Some(written), _) => match read_key(written.text) {
                Some(key) => self.key = key,
                None => {
                    // Whatever stands there may be a key: it is not repeated.
                    let message = "`hashKey` is not 64 hexadecimal digits";
                    let help = "make one with `openssl rand -hex 32`";
                    out.push(Diagnostic::new(Id::Malformed, written.at, message).help(help));
                }
            },
            (None, Some(at)) => {
                let message = "hashes and tokens need a key, and the Gate has no `hashKey`";
                let help =
                    "add `hashKey` to the Gate: 64 hexadecimal digits, as `openssl rand -hex 32` prints them";
                out.push(Diagnostic::new(Id::MissingKey, at, message).help(help));
            }
            (None, None) => {}
        }
    }

    /// The detectors, with what policy says of all of them.
    pub(super) fn catalogue(&self) -> Catalogue {
        let mut catalogue = self.tables.catalogue.clone();
        catalogue.exceptions = self.exceptions.clone();
        catalogue.key = self.key.clone();
        catalogue
    }

    /// Makes the Gate's profile the one of missions that name none.
    pub(super) fn set_default(&mut self, gate: Option<&Document<'_, '_>>, out: &mut Diagnostics) {
        if let Some(name) = gate.and_then(|gate| gate.spec.text("dlp")) {
            self.default = self.named(Some(name), out);
        }
    }

    /// What there is to try detectors with.
    pub(super) fn detection(&self) -> Detection {
        let named = self.names.all().map(ToOwned::to_owned).zip(self.named.iter().cloned());
        let tables = Tables { catalogue: self.catalogue(), ..self.tables.clone() };
        Detection { tables, default: self.default.clone(), named: named.collect() }
    }

    /// The profile of a name; the default for none, and for one that there is not.
    pub(super) fn named(&self, name: Option<Text<'_>>, out: &mut Diagnostics) -> Profile {
        let number = name.and_then(|name| self.names.resolve(name, out));
        let profile = number.and_then(|number| self.named.get(usize::from(number)));
        profile.unwrap_or(&self.default).clone()
    }

    /// The number of the profile that is the strictest of several, detector by detector; of the default for none.
    pub(super) fn strictest<'p>(&mut self, of: impl Iterator<Item = &'p Profile>, agent: Span) -> ProfileId {
        let strictest = of.cloned().reduce(|a, b| a.stricter(&b));
        let profile = strictest.unwrap_or_else(|| self.default.clone());
        self.number(profile, agent)
    }

    /// The number of the profile of a name, for a service.
    pub(super) fn of_service(&mut self, name: Text<'_>, out: &mut Diagnostics) -> ProfileId {
        let profile = self.named(Some(name), out);
        self.number(profile, name.at)
    }

    /// The number of a profile; `at` is blamed where there is none left.
    fn number(&mut self, profile: Profile, at: Span) -> ProfileId {
        let Ok(next) = u16::try_from(self.needed.len()) else {
            self.overflow.get_or_insert(at);
            return ProfileId(u16::MAX);
        };
        ProfileId(*self.needed.entry(profile).or_insert(next))
    }

    /// The table that the numbers point into.
    pub(super) fn into_table(self, out: &mut Diagnostics) -> Vec<Profile> {
        self.names.report_unused(out);
        if let Some(at) = self.overflow {
            let message = format!("agents and services need more than {} different DLP profiles", u16::MAX);
            out.push(Diagnostic::new(Id::TooMany, at, message).help("let missions share profiles"));
        }
        let mut table: Vec<_> = self.needed.into_iter().map(|(profile, number)| (number, profile)).collect();
        table.sort_by_key(|(number, _)| *number);
        table.into_iter().map(|(_, profile)| profile).collect()
    }
}

/// Reads what is said of packs, then what is said of detectors.
fn read(document: &Document<'_, '_>, tables: &Tables, default: &Profile, out: &mut Diagnostics) -> Profile {
    let mut profile = default.clone();
    for key in ["packs", "detectors"] {
        if let Some(entry) =
            document.spec.entry(key).filter(|_| document.spec.object(key).entries().is_empty())
        {
            let message = format!("`{key}` is empty");
            let help =
                "name at least one, or leave the key out; a profile without any would be the default one";
            out.push(Diagnostic::new(Id::EmptyList, entry.at, message).help(help));
        }
    }
    for entry in document.spec.object("packs").entries() {
        let of_pack = || tables.packs.iter().zip(0..).filter(|(pack, _)| ***pack == *entry.key);
        if of_pack().next().is_none() {
            unknown(entry, "pack", tables, out);
        }
        let word = Text::as_written(&entry.node).map(|text| text.text);
        for (_, at) in of_pack() {
            let Some((of, own)) = profile.treatments_mut().get_mut(at).zip(tables.own.get(at)) else {
                continue;
            };
            match word.and_then(action) {
                Some(action) => everywhere(of, action),
                None if word == Some("on") => *of = *own,
                None => {}
            }
        }
    }
    for entry in document.spec.object("detectors").entries() {
        let detectors = &tables.catalogue.detectors;
        let Ok(at) = detectors.binary_search_by(|detector| detector.id.as_str().cmp(&entry.key)) else {
            unknown(entry, "detector", tables, out);
            continue;
        };
        if let Some(of) = profile.treatments_mut().get_mut(at) {
            treat(of, &entry.node);
        }
    }
    profile
}

/// Takes up what a profile allows though it is found.
fn allow(
    document: &Document<'_, '_>,
    tables: &Tables,
    profile: &mut Profile,
    all: &mut Vec<Exception>,
    out: &mut Diagnostics,
) {
    for node in document.spec.list("allow") {
        let Some(exception) = exceptions::read(Fields::of(node), tables, out) else { continue };
        let at = all.iter().position(|known| *known == exception).unwrap_or_else(|| {
            all.push(exception);
            all.len() - 1
        });
        if at >= exceptions::MOST {
            let message = format!("there are more than {} exceptions in this policy", exceptions::MOST);
            let help = "write a pattern for several of them, or have the detector pass over them";
            out.push(Diagnostic::new(Id::TooMany, node.span, message).help(help));
            return;
        }
        profile.allow.extend(u16::try_from(at).ok());
    }
    profile.allow.sort_unstable();
    profile.allow.dedup();
}

/// Where a profile first asks for hashes or tokens in the place of values.
fn asks_for_hashes(document: &Document<'_, '_>) -> Option<Span> {
    let treatments = document.spec.object("detectors").entries().iter().map(|entry| Fields::of(&entry.node));
    let mut words = treatments.filter_map(|fields| fields.object("redact").word("as"));
    words.find(|word| matches!(word.text, "hash" | "token")).map(|word| word.at)
}

fn replaces_by_hash(profile: &Profile) -> bool {
    profile.treatments().iter().any(|of| of.redaction.is_keyed())
}

fn read_key(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().as_chunks::<2>().0.iter();
    let key: Option<Vec<u8>> =
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    key.filter(|_| digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reports an id that no detector has.
pub(super) fn unknown_detector(id: Text<'_>, tables: &Tables) -> Diagnostic {
    let ids = tables.catalogue.detectors.iter().map(|detector| detector.id.as_str());
    let help = did_you_mean(id.text, ids)
        .unwrap_or_else(|| "`policy-compiler reference detectors` lists them".to_owned());
    Diagnostic::new(Id::UnknownDetector, id.at, format!("there is no detector `{}`", id.text)).help(help)
}

/// What one entry says of a detector.
fn treat(of: &mut Treatment, node: &Node<'_>) {
    if let Some(action) = Text::as_written(node).and_then(|text| action(text.text)) {
        return everywhere(of, action);
    }
    let fields = Fields::of(node);
    of.request = detectors::action(fields, "request", of.request);
    of.response = detectors::action(fields, "response", of.response);
    of.tools = detectors::action(fields, "tools", of.tools);
    if fields.entry("redact").is_some() {
        of.redaction = detectors::redaction(fields);
    }
}

fn everywhere(of: &mut Treatment, action: Action) {
    *of = Treatment { request: action, response: action, tools: action, redaction: of.redaction };
}

fn unknown(entry: &Entry<'_>, what: &str, tables: &Tables, out: &mut Diagnostics) {
    let key = entry.key.as_ref();
    let ids = || tables.catalogue.detectors.iter().map(|detector| detector.id.as_str());
    let packs: BTreeSet<&str> = tables.packs.iter().map(String::as_str).collect();
    let help = match what {
        "pack" if ids().any(|id| id == key) => format!("`{key}` is a detector: name it under `detectors`"),
        "detector" if packs.contains(key) => format!("`{key}` is a pack: name it under `packs`"),
        "pack" => did_you_mean(key, packs.iter().copied())
            .unwrap_or_else(|| format!("there are {}", listing(packs.iter().copied()))),
        _ => did_you_mean(key, ids())
            .unwrap_or_else(|| "`policy-compiler reference detectors` lists them".to_owned()),
    };
    let message = format!("there is no {what} `{key}`");
    out.push(Diagnostic::new(Id::UnknownDetector, entry.at, message).help(help));
}

fn action(word: &str) -> Option<Action> {
    Action::ALL.into_iter().find(|action| action.as_str() == word)
}
