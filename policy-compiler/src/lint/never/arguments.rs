//! Constraints on arguments that nothing satisfies.

use sallyport_engine::is_plain_path;
use sallyport_engine::policy::{Constraint, Element, Field, Presence, TextMatch};

use super::texts::{has_text, misfit};
use super::warn;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::lint::view::RuleView;
use crate::shape::Fields;

/// A field as it is written, and as the engine reads it.
type Pair<'v, 'n, 's> = (Fields<'n, 's>, &'v Field);

pub(super) fn report(rule: &RuleView<'_, '_, '_>, out: &mut Diagnostics) {
    let pairs = rule.arguments();
    for (fields, field) in &pairs {
        empty_key(*fields, field, out);
        match &field.constraint {
            Constraint::One(one) => element(*fields, one, out),
            Constraint::List { each, .. } => element(fields.object("items"), each, out),
        }
    }
    if rule.allows() {
        report_pointers(&pairs, out);
    }
}

/// `/` is not the root, but the member whose name is empty.
fn empty_key(fields: Fields<'_, '_>, field: &Field, out: &mut Diagnostics) {
    if let (Some(at), [step]) = (fields.text("at"), field.pointer.as_slice())
        && step.is_empty()
    {
        let message = "`/` is the member with the empty name, not the arguments themselves";
        warn(at.at, message, "name a member, as `/path`", out);
    }
}

fn element(fields: Fields<'_, '_>, element: &Element, out: &mut Diagnostics) {
    match element {
        Element::Text(wanted) => text(fields, wanted, out),
        Element::PathBelow(_) => {
            for prefix in
                fields.texts("below").filter(|prefix| prefix.text != "/" && !is_plain_path(prefix.text))
            {
                let message = format!("no path is below `{}`", prefix.text);
                let help =
                    "write a plain path as `/srv/docs/`: every segment has a letter, a digit, `-` or `_`";
                warn(prefix.at, message, help, out);
            }
        }
        Element::Url(_) => {
            let letter = |scheme: &str| scheme.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
            for scheme in fields.texts("schemes").filter(|scheme| !letter(scheme.text)) {
                let message = format!("no URL has the scheme `{}`", scheme.text);
                warn(scheme.at, message, "write it as `https`", out);
            }
        }
        _ => {}
    }
}

fn text(fields: Fields<'_, '_>, wanted: &TextMatch, out: &mut Diagnostics) {
    if let (Some(most), Some(entry)) = (wanted.max_chars, fields.entry("maxLength"))
        && most < wanted.min_chars
    {
        let message = format!("no text has at least {} and at most {most} characters", wanted.min_chars);
        return warn(entry.at, message, "exchange them", out);
    }
    for one in fields.texts("oneOf") {
        if let Some(why) = misfit(wanted, one.text) {
            let message = format!("`{}` in `oneOf` is never taken: {why}", one.text);
            warn(one.at, message, "leave it out, or the constraint that it does not fit", out);
        }
    }
    if let (Some(pattern), Some(at)) = (&wanted.pattern, fields.text("pattern")) {
        if !pattern.accepts.contains(&true) {
            let message = format!("no text fits `{}`", at.text);
            warn(at.at, message, "mend the pattern; it must cover the whole text", out);
        } else if !has_text(pattern, wanted.min_chars, wanted.max_chars) {
            let message =
                format!("no text that fits `{}` is as long as `minLength` and `maxLength` say", at.text);
            warn(at.at, message, "mend the pattern or the lengths", out);
        }
    }
}

/// Reports a place that must hold something, below a place that can have nothing below it. A deny fires on what it does not find.
fn report_pointers(pairs: &[Pair<'_, '_, '_>], out: &mut Diagnostics) {
    for (fields, field) in pairs.iter().filter(|(_, field)| field.presence == Presence::Required) {
        let above = |(_, other): &&Pair<'_, '_, '_>| {
            let below = field.pointer.strip_prefix(other.pointer.as_slice());
            below.is_some_and(|below| !below.is_empty() && !holds(other, below))
        };
        if let (Some((other, _)), Some(at)) = (pairs.iter().find(above), fields.text("at"))
            && let Some(first) = other.text("at")
        {
            let message = format!("nothing can stand at `{}` beside what `{}` must be", at.text, first.text);
            let diagnostic = Diagnostic::new(Id::NeverMatches, at.at, message);
            let help = format!("leave one of them out, or make `{}` an `object`", first.text);
            out.push(diagnostic.help(help).also(first.at, "this has nothing below it"));
        }
    }
}

/// Whether something can stand below a field.
fn holds(field: &Field, below: &[String]) -> bool {
    let index = |step: &String| step == "*" || step.bytes().all(|b| b.is_ascii_digit());
    match &field.constraint {
        _ if field.presence == Presence::Forbidden => false,
        Constraint::One(Element::Any | Element::Object) => true,
        Constraint::List { .. } => below.first().is_some_and(index),
        Constraint::One(_) => false,
    }
}
