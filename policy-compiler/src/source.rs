//! Policy as written: documents by kind, each with its name, in shape but not yet in sense.

use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::language::Kind;
use crate::shape::{self, Fields, Text};
use crate::sources::Span;
use crate::suggest::{did_you_mean, either, listing};
use crate::tree::{Node, Value};

/// Every document of a policy that has a kind and a name.
#[derive(Debug, Default)]
pub(crate) struct Source<'n, 's> {
    documents: Vec<Document<'n, 's>>,
}

/// One document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document<'n, 's> {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its `metadata.name`.
    pub(crate) name: Text<'n>,
    /// All of it, from its first key to its last value.
    pub(crate) at: Span,
    /// Its `metadata`.
    pub(crate) metadata: Fields<'n, 's>,
    /// Its `spec`.
    pub(crate) spec: Fields<'n, 's>,
}

impl<'n, 's> Source<'n, 's> {
    /// The documents of one file; a list stands for its items.
    pub(crate) fn of(nodes: &'n [Node<'s>], out: &mut Diagnostics) -> Self {
        let items = nodes.iter().flat_map(|node| match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        });
        Self { documents: items.filter_map(|node| document(node, out)).collect() }
    }

    /// Takes in the documents of another file.
    pub(crate) fn append(&mut self, other: Self) {
        self.documents.extend(other.documents);
    }

    /// Whether there is nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Every document.
    pub(crate) fn documents(&self) -> &[Document<'n, 's>] {
        &self.documents
    }

    /// The documents of one kind, by name; those that repeat a name are reported and left out.
    pub(crate) fn of_kind(&self, kind: Kind, out: &mut Diagnostics) -> Vec<Document<'n, 's>> {
        let mut documents: Vec<_> =
            self.documents.iter().filter(|document| document.kind == kind).copied().collect();
        documents.sort_by_key(|document| (document.name.text, document.name.at));
        let mut distinct: Vec<Document<'n, 's>> = Vec::with_capacity(documents.len());
        for document in documents {
            match distinct.last() {
                Some(first) if first.name.text == document.name.text => {
                    let message = format!("there are two {}s named `{}`", kind.name(), document.name.text);
                    let diagnostic = Diagnostic::new(Id::DuplicateName, document.name.at, message);
                    let diagnostic = diagnostic.help("rename one of them, or remove it");
                    out.push(diagnostic.also(first.name.at, "the other one"));
                }
                _ => distinct.push(document),
            }
        }
        distinct
    }
}

/// Holds a document to the language; `None` if it has no kind or no name, and then that was reported.
fn document<'n, 's>(node: &'n Node<'s>, out: &mut Diagnostics) -> Option<Document<'n, 's>> {
    let Value::Map(entries) = &node.value else {
        let message = format!("a document is a mapping, not {}", node.describe());
        let help = "it begins with `apiVersion: sallyport.dev/v1` and `kind:`";
        out.push(Diagnostic::new(Id::WrongType, node.span, message).help(help));
        out.lose();
        return None;
    };
    let fields = Fields::of(node);
    let start = entries.first().map_or(node.span, |entry| entry.at);
    let Some(kind) = kind(fields, start, out) else {
        out.lose();
        return None;
    };
    shape::check(node, kind.object(), start, out);
    let Some(name) = fields.object("metadata").text("name") else {
        out.lose();
        return None;
    };
    match kind {
        Kind::TrustDomain => {}
        Kind::Capability if is_capability(name.text) => {}
        Kind::Capability => out.push(bad_name(name, is_capability)),
        _ if is_name(name.text) => {}
        _ => out.push(bad_name(name, is_name)),
    }
    let metadata = fields.object("metadata");
    Some(Document { kind, name, at: node.span, metadata, spec: fields.object("spec") })
}

fn kind(fields: Fields<'_, '_>, start: Span, out: &mut Diagnostics) -> Option<Kind> {
    let kinds = || Kind::ALL.into_iter().map(Kind::name);
    let Some(entry) = fields.entry("kind") else {
        let help = match fields.entry("request") {
            Some(_) => {
                "this looks like a case: keep cases out of the policy's directory and name them to `decide`"
                    .to_owned()
            }
            None => format!("add `kind`: {}", either(kinds())),
        };
        out.push(Diagnostic::new(Id::MissingKey, start, "this document has no `kind`").help(help));
        return None;
    };
    let kinds_are = || format!("the kinds are {}", listing(kinds()));
    let Some(Text { text, at }) = Text::as_written(&entry.node).filter(|_| !entry.node.is_blank()) else {
        let (at, message) = match entry.node.is_blank() {
            true => (entry.at, "`kind` has no value".to_owned()),
            false => (entry.node.span, format!("`kind` takes text, not {}", entry.node.describe())),
        };
        out.push(Diagnostic::new(Id::WrongType, at, message).help(kinds_are()));
        return None;
    };
    let kind = Kind::of(text);
    if kind.is_none() {
        let help = did_you_mean(text, kinds()).unwrap_or_else(kinds_are);
        out.push(Diagnostic::new(Id::WrongValue, at, format!("there is no kind `{text}`")).help(help));
    }
    kind
}

/// Reports a name that does not fit.
pub(crate) fn bad_name(name: Text<'_>, fits: fn(&str) -> bool) -> Diagnostic {
    let message = format!("`{}` is not a name", name.text);
    let rule = "use 1 to 63 of `a-z`, `0-9`, `.`, `-` and `_`, beginning and ending with a letter or digit";
    let lower = name.text.to_ascii_lowercase();
    let help = if fits(&lower) { format!("write it in lower case: `{lower}`") } else { rule.to_owned() };
    Diagnostic::new(Id::Malformed, name.at, message).help(help)
}

/// Whether a text can name a capability, as `docs:read`: names with colons between them.
fn is_capability(text: &str) -> bool {
    text.len() <= 63 && text.split(':').all(is_name)
}

/// Whether a text can name something of ours.
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 63 && text.bytes().all(inner) && edge(text.bytes().next()) && edge(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        for name in ["a", "research", "deploy-agent.v2", "a_b", &"a".repeat(63)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "A", "a b", "caf\u{e9}", "a/b", &"a".repeat(64)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
