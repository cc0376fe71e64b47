//! JSON text to the same tree as YAML, by the engine's strict reader.
//!
//! The reader stops at the first fault; duplicate keys, lone surrogates and comments are faults.

use std::borrow::Cow;

use sallyport_engine::json::{Document, Fault, JsonError, Kind, Value as Json};

use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::sources::{FileId, Sources, Span};
use crate::tree::{Entry, Key, Node, Scalar, Value};

/// Reads a file as one JSON document.
pub(crate) fn parse<'s>(sources: &'s Sources, file: FileId, out: &mut Diagnostics) -> Vec<Node<'s>> {
    let text = sources.text(file);
    match Document::parse(text.as_bytes()) {
        Ok(document) => document.root().map(|root| node(text, file, root)).into_iter().collect(),
        Err(error) => {
            // Where the text ends too early, its last character can be shown, and what is behind it not.
            let at = error.offset.min(text.trim_end().len());
            let span = Span::new(file, at, at);
            let message = format!("this is not strict JSON: {error}");
            out.push(Diagnostic::new(Id::JsonSyntax, span, message).help(remedy(text, &error)));
            out.lose();
            Vec::new()
        }
    }
}

/// What mends a text that is not JSON, by what stands at the fault.
fn remedy(text: &str, error: &JsonError) -> &'static str {
    let (before, here) = text.split_at_checked(error.offset).unwrap_or((text, ""));
    match (error.fault, here.chars().next()) {
        (Fault::ByteOrderMark, _) => "save it without a byte order mark",
        (Fault::DuplicateKey, _) => "keep one of them; readers of JSON disagree on which one counts",
        (Fault::Trailing, _) => "a file holds one document, or a list of them in `[ ]`",
        (Fault::Syntax, None) => {
            "the text ends before everything in it does: look for a `}`, `]` or `\"` that is missing"
        }
        (Fault::Syntax, Some('/' | '#')) => {
            "JSON has no comments; a file in YAML must be named .yaml or .yml"
        }
        (Fault::Syntax, Some('\'')) => "keys and texts stand in double quotes",
        (Fault::Syntax, Some('}' | ']')) if before.trim_end().ends_with(',') => "take out the `,` before it",
        _ => "mend this place; a file in YAML must be named .yaml or .yml",
    }
}

/// INVARIANT: recursion is bounded by the reader's own `MAX_DEPTH`.
fn node<'s>(text: &'s str, file: FileId, json: Json<'_>) -> Node<'s> {
    let (start, end) = json.span();
    let scalar = |text: Cow<'s, str>, quoted| Value::Scalar(Scalar::new(text, quoted));
    let value = match json.kind() {
        Kind::Array => Value::List(json.items().map(|item| node(text, file, item)).collect()),
        Kind::Object => Value::Map(entries(text, file, json, start)),
        Kind::String => scalar(json.as_str().map(|text| text.into_owned().into()).unwrap_or_default(), true),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::OpaqueNumber => {
            scalar(text.get(start..end).unwrap_or_default().into(), false)
        }
    };
    Node { span: Span::new(file, start, end), value }
}

fn entries<'s>(text: &'s str, file: FileId, object: Json<'_>, start: usize) -> Vec<Entry<'s>> {
    let mut before = start;
    object
        .entries()
        .map(|(key, value)| {
            let at = key_span(text, file, before, value.span().0);
            before = value.span().1;
            Entry { key: Key::new(key.into_owned()), at, node: node(text, file, value) }
        })
        .collect()
}

/// A key stands between the end of what came before it and its value, as the only string there.
fn key_span(text: &str, file: FileId, before: usize, value: usize) -> Span {
    let between = text.get(before..value).unwrap_or_default();
    let quotes = between.find('"').zip(between.rfind('"'));
    quotes.map_or(Span::new(file, before, before), |(first, last)| {
        Span::new(file, before + first, before + last + 1)
    })
}
