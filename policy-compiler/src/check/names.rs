//! Names that other documents refer to: their numbers, and which of them anything uses.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::language::Kind;
use crate::shape::Text;
use crate::source::Document;
use crate::sources::Span;
use crate::suggest::{did_you_mean, listing};

/// The most names that a message lists; more do not help.
const MOST_LISTED: usize = 8;

/// The names of one kind, sorted; a name's number is its place.
pub(super) struct Names<'n> {
    kind: Kind,
    names: Vec<Text<'n>>,
    /// Set from wherever the names are referred to, in whatever order.
    used: Vec<AtomicBool>,
}

impl<'n> Names<'n> {
    /// Takes the names of documents that are sorted by name.
    pub(super) fn new(kind: Kind, documents: &[Document<'n, '_>], out: &mut Diagnostics) -> Self {
        let names: Vec<_> = documents.iter().map(|document| document.name).collect();
        if let Some(beyond) = names.get(usize::from(u16::MAX)) {
            let message = format!("there are more than {} {}s", u16::MAX, kind.name());
            let help = "divide the policy by the workloads that it is for";
            out.push(Diagnostic::new(Id::TooMany, beyond.at, message).help(help));
        }
        Self { kind, used: names.iter().map(|_| AtomicBool::new(false)).collect(), names }
    }

    /// The number of a name; `None` for a name that there is not, and then that was reported.
    pub(super) fn resolve(&self, reference: Text<'_>, out: &mut Diagnostics) -> Option<u16> {
        if let Ok(at) = self.names.binary_search_by(|name| name.text.cmp(reference.text)) {
            if let Some(used) = self.used.get(at)
                && !used.load(Ordering::Relaxed)
            {
                used.store(true, Ordering::Relaxed);
            }
            return u16::try_from(at).ok();
        }
        let kind = self.kind.name();
        let known = || self.names.iter().map(|name| name.text);
        let help = did_you_mean(reference.text, known()).unwrap_or_else(|| match self.names.len() {
            0 => format!("there is no {kind} at all; add a document with `kind: {kind}`"),
            1 => format!("the only one is {}", listing(known())),
            2..=MOST_LISTED => format!("there are {}", listing(known())),
            many => format!("none of the {many} {kind}s has a name like it"),
        });
        let message = format!("there is no {kind} named `{}`", reference.text);
        out.push(Diagnostic::new(Id::UnknownReference, reference.at, message).help(help));
        None
    }

    /// The names, in their order.
    pub(super) fn all(&self) -> impl Iterator<Item = &'n str> {
        self.names.iter().map(|name| name.text)
    }

    /// Warns of names that nothing referred to.
    pub(super) fn report_unused(&self, out: &mut Diagnostics) {
        for (name, _) in self.names.iter().zip(&self.used).filter(|(_, used)| !used.load(Ordering::Relaxed)) {
            unused(self.kind, name.text, name.at, out);
        }
    }
}

/// Warns that something is declared and not used.
pub(super) fn unused(kind: Kind, name: &str, at: Span, out: &mut Diagnostics) {
    let by = match kind {
        Kind::Mission => "no Agent is given it",
        Kind::Service => "no rule names it",
        Kind::DlpProfile => "no Mission, no Service and no Gate names it",
        Kind::TrustDomain => "no Agent's identity belongs to it",
        Kind::Capability => "no rule names it",
        Kind::Agent | Kind::Detector | Kind::Gate => "nothing names it",
    };
    let message = format!("{} `{name}` is not used: {by}", kind.name());
    out.push(Diagnostic::new(Id::Unused, at, message).help("use it, or remove it"));
}

/// Says that an item of a list stands there twice.
pub(super) fn repeated(item: &str, key: &str, at: Span) -> Diagnostic {
    Diagnostic::new(Id::Repeated, at, format!("`{item}` stands twice in `{key}`")).help("remove one of them")
}

/// Sorts and takes out what stands twice, with a warning at the second.
pub(super) fn distinct<'n>(
    texts: impl Iterator<Item = Text<'n>>,
    key: &str,
    out: &mut Diagnostics,
) -> Vec<Text<'n>> {
    let mut texts: Vec<_> = texts.collect();
    texts.sort_by_key(|text| (text.text, text.at));
    let mut distinct: Vec<Text<'n>> = Vec::with_capacity(texts.len());
    for text in texts {
        match distinct.last() {
            Some(first) if first.text == text.text => {
                out.push(repeated(text.text, key, text.at).also(first.at, "first written here"));
            }
            _ => distinct.push(text),
        }
    }
    distinct
}
