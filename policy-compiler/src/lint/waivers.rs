//! Waivers: warnings that the policy itself answers, each with a reason, where they stand.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Diagnostics, Id, Severity};
use crate::language::Kind;
use crate::shape::{Fields, Text};
use crate::source::Source;
use crate::sources::{FileId, Span};
use crate::suggest::did_you_mean;
use crate::tree::Node;

/// One waiver.
struct Waiver<'n> {
    lint: Text<'n>,
    reason: Text<'n>,
    /// The document or rule that it speaks of.
    within: Span,
    used: bool,
}

/// Takes out what the policy waives, and reports waivers that are malformed or say nothing.
pub(super) fn apply(source: &Source<'_, '_>, out: &mut Diagnostics) {
    let mut waivers: BTreeMap<(Id, FileId), Vec<Waiver<'_>>> = BTreeMap::new();
    for (within, node) in places(source) {
        if let Some((id, waiver)) = read(within, node, out) {
            waivers.entry((id, within.file)).or_default().push(waiver);
        }
    }
    if !waivers.is_empty() {
        out.waive(|diagnostic| {
            let place = diagnostic.span;
            let candidates = waivers.get_mut(&(diagnostic.id, place.file))?;
            let inside =
                |waiver: &&mut Waiver<'_>| (waiver.within.start..waiver.within.end).contains(&place.start);
            let waiver = candidates.iter_mut().find(inside)?;
            waiver.used = true;
            Some(waiver.reason.text.to_owned())
        });
    }
    for waiver in waivers.values().flatten().filter(|waiver| !waiver.used) {
        let message = format!("there is nothing here that `{}` speaks of", waiver.lint.text);
        let help = "remove the waiver: it would hide what comes later";
        out.push(Diagnostic::new(Id::UnusedWaiver, waiver.lint.at, message).help(help));
    }
}

/// Every waiver as written, with what it stands in; rules before the documents that they are in, since the nearest counts.
fn places<'n, 's>(source: &Source<'n, 's>) -> Vec<(Span, &'n Node<'s>)> {
    let mut places = Vec::new();
    let mut add = |within, fields: Fields<'n, 's>| {
        places.extend(fields.list("waivers").iter().map(|node| (within, node)));
    };
    for mission in source.documents().iter().filter(|document| document.kind == Kind::Mission) {
        for rule in mission.spec.entries().iter().flat_map(|entry| mission.spec.list(&entry.key)) {
            add(rule.span, Fields::of(rule));
        }
    }
    for document in source.documents() {
        add(document.at, document.metadata);
    }
    places
}

/// Reads a waiver; `None` for one that is out of shape or cannot be granted, and then that was reported.
fn read<'n>(within: Span, node: &'n Node<'_>, out: &mut Diagnostics) -> Option<(Id, Waiver<'n>)> {
    let fields = Fields::of(node);
    let (lint, reason) = (fields.text("lint")?, fields.text("reason")?);
    let mut refuse = |at, message, help| {
        out.push(Diagnostic::new(Id::BadWaiver, at, message).help(help));
        None
    };
    let warnings = || Id::ALL.iter().filter(|id| id.severity() == Severity::Warning).map(|id| id.name());
    match Id::of(lint.text) {
        None => {
            let help = did_you_mean(lint.text, warnings())
                .unwrap_or_else(|| "write the id that stands in brackets, as `broad-wildcard`".to_owned());
            refuse(lint.at, format!("there is no lint `{}`", lint.text), help)
        }
        Some(id) if id.severity() == Severity::Error => {
            let help = "mend what it reports; only warnings can be waived".to_owned();
            refuse(lint.at, format!("`{}` is an error and can not be waived", lint.text), help)
        }
        Some(_) if reason.text.trim().is_empty() => {
            let help = "say why it is as it should be, for whoever reads this next".to_owned();
            refuse(reason.at, "a waiver needs a reason".to_owned(), help)
        }
        Some(id) => Some((id, Waiver { lint, reason, within, used: false })),
    }
}
