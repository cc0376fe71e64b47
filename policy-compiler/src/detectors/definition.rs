//! A detector as it is written, in the files of the built-in ones and in a DlpProfile.

use sallyport_engine::scan::{
    self, Action, ByteSet, Catalogue, Check, DIGEST_BYTES, Dfa, Redaction, Severity, Structural, Treatment,
};

use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::patterns::{self, InvalidPattern};
use crate::shape::{Fields, Text};
use crate::sources::Span;
use crate::suggest::{did_you_mean, listing};

/// What stands beside no match, unless a detector says otherwise.
const WORD: &str = "[0-9A-Za-z_]";
/// The bytes of values that a detector knows by their digests, unless it says otherwise.
pub const VALUE_BYTES: &str = r"[0-9A-Za-z_\x80-\xff-]";
/// The most values of one detector: a megabyte of digests.
const MOST_VALUES: usize = 65_536;
/// The longest match, in bytes.
const MOST: u16 = 16_384;

/// A detector.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The stable id.
    pub id: String,
    /// What it finds.
    pub doc: String,
    /// Where the form of what it finds is documented.
    pub source: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What is done about findings where it is on.
    pub treatment: Treatment,
    /// Whether it is on unless a profile says otherwise.
    pub on: bool,
    /// How it finds.
    pub finder: Finder,
    /// Texts with one match.
    pub matches: Vec<(String, Span)>,
    /// Texts without.
    pub misses: Vec<(String, Span)>,
}

/// How a detector finds.
#[derive(Clone, Debug)]
pub enum Finder {
    /// By code of the engine.
    Structural(Structural),
    /// By a pattern.
    Pattern(Box<Pattern>),
    /// By the digests of values.
    Values(Listed),
}

/// Values by their digests.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The bytes of values.
    pub set: ByteSet,
    /// How long they are.
    pub lengths: Vec<u8>,
    /// What the digests are made with.
    pub salt: String,
    /// The digests, sorted.
    pub digests: Vec<[u8; DIGEST_BYTES]>,
}

/// Where a match begins, and what it looks like.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Texts that a match begins with; none for a detector that digits trigger.
    pub anchors: Vec<String>,
    /// What may stand before.
    pub lead: Option<(ByteSet, u8)>,
    /// What it looks like, as written.
    pub regex: String,
    /// The same as a table.
    pub dfa: Dfa,
    /// What may not stand beside it.
    pub not_beside: (ByteSet, ByteSet),
    /// How long it is.
    pub length: (u16, u16),
    /// What of it counts.
    pub value: Option<ByteSet>,
    /// What has to hold of it.
    pub checks: Vec<Check>,
    /// How random it is, in sixteenths of a bit per byte.
    pub min_entropy: u8,
    /// Whether placeholders count.
    pub placeholders: bool,
    /// The words before it, and how far.
    pub context: Option<(Vec<String>, u16)>,
    /// Whether it is looked for in text as it stands.
    pub raw: bool,
}

impl Definition {
    /// Reads a detector whose shape was checked; none where something in it makes no sense, which is reported. Its pattern's table is
    /// taken from `known` where that has a detector of this id.
    pub fn read(
        id: &str,
        fields: Fields<'_, '_>,
        known: Option<&Catalogue>,
        out: &mut Diagnostics,
    ) -> Option<Self> {
        let word = |key: &str| fields.word(key).map(|text| text.text);
        let treatment = Treatment {
            request: action(fields, "request", Action::Block),
            response: action(fields, "response", Action::Redact),
            tools: action(fields, "tools", Action::Block),
            redaction: redaction(fields),
        };
        let severity = word("severity");
        let severity = Severity::ALL.into_iter().find(|known| Some(known.as_str()) == severity);
        Some(Self {
            id: id.to_owned(),
            doc: word("doc")?.to_owned(),
            source: word("source").map(ToOwned::to_owned),
            severity: severity.unwrap_or(Severity::Medium),
            treatment,
            on: word("default") != Some("false"),
            finder: finder(id, fields, known, out)?,
            matches: fields.object("samples").parts("match").collect(),
            misses: fields.object("samples").parts("miss").collect(),
        })
    }
}

fn finder(
    id: &str,
    fields: Fields<'_, '_>,
    known: Option<&Catalogue>,
    out: &mut Diagnostics,
) -> Option<Finder> {
    if let Some(name) = fields.text("structural") {
        let known = Structural::ALL.into_iter().find(|known| known.name() == name.text);
        if known.is_none() {
            let message = format!("the engine has no code named `{}`", name.text);
            let help = format!("it has {}", listing(Structural::ALL.iter().map(|known| known.name())));
            out.push(Diagnostic::new(Id::Malformed, name.at, message).help(help));
        }
        return known.map(Finder::Structural);
    }
    if fields.entry("values").is_some() {
        return listed(fields.object("values"), out).map(Finder::Values);
    }
    let written;
    let regex = match fields.entry("words") {
        Some(entry) => {
            written = any_of(fields);
            Text { text: &written, at: entry.at }
        }
        None => fields.word("pattern")?,
    };
    let dfa = match known.and_then(|known| table(known, id)) {
        Some(dfa) => Some(dfa.clone()),
        None => patterns::dfa(regex.text).map_err(|error| out.push(bad_pattern(regex, &error))).ok(),
    };
    let raw = fields.word("text").is_some_and(|text| text.text == "raw");
    let anchors = anchors(fields, raw, out);
    let lead = fields.object("lead");
    let lead_set = lead.word("set").map(|set| byte_set(set, out));
    let lead_most = lead.number("max").and_then(|most| u8::try_from(most).ok());
    let beside = |key: &str, out: &mut Diagnostics| match fields.word(key) {
        Some(set) if set.text.is_empty() => Some(ByteSet::default()),
        Some(set) => byte_set(set, out),
        None => patterns::byte_set(WORD).ok(),
    };
    let not_beside = (beside("notBefore", out)?, beside("notAfter", out)?);
    let length = fields.object("length");
    let bound = |key: &str, default: u16| {
        length.number(key).and_then(|bytes| u16::try_from(bytes).ok()).unwrap_or(default)
    };
    let value = match fields.word("value") {
        Some(set) => Some(byte_set(set, out)?),
        None => None,
    };
    let placeholders = fields.word("placeholders").is_none_or(|word| word.text == "false");
    Some(Finder::Pattern(Box::new(Pattern {
        anchors: anchors?,
        lead: lead_set.flatten().zip(lead_most),
        regex: regex.text.to_owned(),
        dfa: dfa?,
        not_beside,
        length: (bound("min", 1), bound("max", MOST)),
        value,
        checks: fields.texts("checks").map(|name| check(name, out)).collect::<Option<_>>()?,
        min_entropy: fields.word("entropy").map_or(Some(0), |bits| entropy(bits, out))?,
        placeholders,
        context: context(fields.object("context")),
        raw,
    })))
}

fn listed(fields: Fields<'_, '_>, out: &mut Diagnostics) -> Option<Listed> {
    let set = match fields.word("set") {
        Some(set) => byte_set(set, out)?,
        None => patterns::byte_set(VALUE_BYTES).ok()?,
    };
    let mut lengths: Vec<u8> = fields
        .list("lengths")
        .iter()
        .filter_map(|node| u8::try_from(crate::shape::number(node)?).ok())
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    let mut digests = fields
        .list("digests")
        .iter()
        .filter_map(Text::as_written)
        .map(|text| digest(text, out))
        .collect::<Option<Vec<_>>>()?;
    digests.sort_unstable();
    digests.dedup();
    if let Some(entry) = fields.entry("digests").filter(|_| digests.len() > MOST_VALUES) {
        let message = format!("there are more than {MOST_VALUES} values");
        out.push(
            Diagnostic::new(Id::TooMany, entry.at, message)
                .help("find what they have in common, and write a pattern"),
        );
        return None;
    }
    Some(Listed { set, lengths, salt: fields.word("salt")?.text.to_owned(), digests })
}

/// The digest of a value, in digits.
pub fn digest(digits: Text<'_>, out: &mut Diagnostics) -> Option<[u8; DIGEST_BYTES]> {
    let digest = read_digest(digits.text);
    if digest.is_none() {
        let message = format!("`{}` is no digest of a value", digits.text);
        let help = "it is 32 hexadecimal digits in lower case, as `policy-compiler hash-values` prints it";
        out.push(Diagnostic::new(Id::Malformed, digits.at, message).help(help));
    }
    digest
}

fn read_digest(digits: &str) -> Option<[u8; DIGEST_BYTES]> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let pairs = digits.as_bytes().as_chunks::<2>().0.iter();
    let bytes = pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes: Vec<u8> = bytes.collect();
    (digits.len() == DIGEST_BYTES * 2 && digits.bytes().all(is_digit)).then(|| bytes.try_into().ok())?
}

/// The table of a detector that was compiled before.
fn table<'c>(known: &'c Catalogue, id: &str) -> Option<&'c Dfa> {
    let at = known.detectors.binary_search_by(|of| of.id.as_str().cmp(id)).ok()?;
    match &known.detectors.get(at)?.finder {
        scan::Finder::Pattern(pattern) => Some(&pattern.dfa),
        scan::Finder::Structural(_) | scan::Finder::Values(_) => None,
    }
}

/// What is wrong with a pattern.
pub fn bad_pattern(regex: Text<'_>, error: &InvalidPattern) -> Diagnostic {
    let (message, help) = match error {
        InvalidPattern::Syntax(what) => (format!("`pattern` is no regular expression: {what}"), None),
        InvalidPattern::TooLarge | InvalidPattern::TooManyStates => (
            format!("`pattern` is too large: {error}"),
            Some(
                "write `[a-z]+` with a `length` where it counts, as in `[a-z]{40,200}`, and leave alternatives out",
            ),
        ),
        InvalidPattern::Unsupported => (format!("`pattern` can not be used: {error}"), None),
    };
    Diagnostic::new(Id::Malformed, regex.at, message).maybe_help(help.map(ToOwned::to_owned))
}

/// A pattern of the words, in any case.
fn any_of(fields: Fields<'_, '_>) -> String {
    let escaped = |character: char| match character {
        plain if plain.is_alphanumeric() || !plain.is_ascii() => plain.to_string(),
        special => format!("\\x{:02x}", u32::from(special)),
    };
    let words: Vec<String> =
        fields.texts("words").map(|word| word.text.chars().map(escaped).collect()).collect();
    format!("(?i:{})", words.join("|"))
}

fn anchors(fields: Fields<'_, '_>, raw: bool, out: &mut Diagnostics) -> Option<Vec<String>> {
    let mut fine = true;
    let anchors: Vec<String> = fields
        .texts("anchors")
        .chain(fields.texts("words"))
        .map(|anchor| {
            let wrong = match anchor.text.len() {
                0 => Some("is empty"),
                1 if fields.entry("lead").is_none() => {
                    Some("is one byte, and there is no `lead`: it would be found everywhere")
                }
                1..=64 if raw && anchor.text.starts_with(|first: char| first.is_ascii()) => {
                    Some("begins with ASCII, and `text: raw` is for what folding drops")
                }
                1..=64 => None,
                _ => Some("is longer than 64 bytes"),
            };
            if let Some(wrong) = wrong {
                let message = format!("the anchor `{}` {wrong}", anchor.text);
                out.push(Diagnostic::new(Id::Malformed, anchor.at, message));
                fine = false;
            }
            anchor.text.to_owned()
        })
        .collect();
    fine.then_some(anchors)
}

fn byte_set(set: Text<'_>, out: &mut Diagnostics) -> Option<ByteSet> {
    patterns::byte_set(set.text)
        .map_err(|_| {
            let message = format!("`{}` is no set of bytes", set.text);
            out.push(Diagnostic::new(Id::Malformed, set.at, message).help("write one as '[0-9A-Za-z_]'"));
        })
        .ok()
}

fn check(name: Text<'_>, out: &mut Diagnostics) -> Option<Check> {
    let known = Check::of(name.text);
    if known.is_none() {
        let names = || Check::ALL.iter().map(|check| check.name());
        let help =
            did_you_mean(name.text, names()).unwrap_or_else(|| format!("there are {}", listing(names())));
        let message = format!("there is no check `{}`", name.text);
        out.push(Diagnostic::new(Id::Malformed, name.at, message).help(help));
    }
    known
}

fn entropy(bits: Text<'_>, out: &mut Diagnostics) -> Option<u8> {
    let sixteenths = bits.text.parse::<f64>().ok().map(|bits| (bits * 16.0).round());
    let value = sixteenths.and_then(|sixteenths| (0..=128).find(|&n: &u8| f64::from(n) == sixteenths));
    if value.is_none() {
        let message = format!("an entropy of {} bits per byte is not possible", bits.text);
        out.push(Diagnostic::new(Id::WrongValue, bits.at, message).help("it is from 0 to 8"));
    }
    value
}

fn context(fields: Fields<'_, '_>) -> Option<(Vec<String>, u16)> {
    let words: Vec<String> = fields
        .list("words")
        .iter()
        .filter_map(Text::as_written)
        .map(|word| word.text.to_lowercase())
        .collect();
    let within = fields.number("within").and_then(|within| u16::try_from(within).ok()).unwrap_or(48);
    (!words.is_empty()).then_some((words, within))
}

/// The action under a key.
pub fn action(fields: Fields<'_, '_>, key: &str, default: Action) -> Action {
    let word = fields.word(key).map(|word| word.text);
    Action::ALL.into_iter().find(|known| Some(known.as_str()) == word).unwrap_or(default)
}

/// How findings are replaced, by the key `redact`.
pub fn redaction(fields: Fields<'_, '_>) -> Redaction {
    let redact = fields.object("redact");
    let count = |key: &str, default: u8| {
        redact.number(key).and_then(|count| u8::try_from(count).ok()).unwrap_or(default)
    };
    match redact.word("as").map(|word| word.text) {
        Some("hash") => Redaction::Hash,
        Some("token") => Redaction::Token,
        Some("mask") => Redaction::Mask { first: count("first", 6), last: count("last", 4) },
        _ => Redaction::Label,
    }
}
