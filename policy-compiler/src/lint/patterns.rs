//! `pattern-budget`: patterns whose tables are large. Every worker holds them all, for as long as the policy is in force.

use sallyport_engine::policy::{Constraint, Element, Field, Pattern, TextMatch};

use super::view::{RuleView, View};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::patterns::MAX_TABLE_BYTES;
use crate::shape::{Fields, Text};

/// What a pattern should stay within, in bytes.
const PATTERN_BYTES: usize = 16 * 1024;
/// What all patterns of a policy should stay within together, in bytes.
const TOTAL_BYTES: usize = 256 * 1024;

const CURE: &str = "count characters with `maxLength` instead of `{0,90}`, and write `[0-9]` and `[a-z]` for `\\d` and `\\w`";

pub(super) fn report(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    let patterns: Vec<_> = view.rules().flat_map(patterns).collect();
    for (text, bytes) in patterns.iter().filter(|(_, bytes)| *bytes > PATTERN_BYTES) {
        let message = format!(
            "the table of this pattern takes {}; {} are enough for most, and {} is the most that is taken",
            kib(*bytes),
            kib(PATTERN_BYTES),
            kib(MAX_TABLE_BYTES)
        );
        out.push(Diagnostic::new(Id::PatternBudget, text.at, message).help(CURE));
    }
    let total: usize = patterns.iter().map(|(_, bytes)| bytes).sum();
    if let Some((text, bytes)) =
        patterns.iter().max_by_key(|(_, bytes)| bytes).filter(|_| total > TOTAL_BYTES)
    {
        let message = format!(
            "the tables of all {} patterns take {}, more than {} together; that of this one is the largest, {}",
            patterns.len(),
            kib(total),
            kib(TOTAL_BYTES),
            kib(*bytes)
        );
        out.push(Diagnostic::new(Id::PatternBudget, text.at, message).help(CURE));
    }
}

/// The patterns of a rule, with the size of their tables in a bundle.
fn patterns<'n>(rule: &RuleView<'_, 'n, '_>) -> Vec<(Text<'n>, usize)> {
    let pattern = |(fields, field): (Fields<'n, '_>, &Field)| {
        let (fields, element) = match &field.constraint {
            Constraint::One(element) => (fields, element),
            Constraint::List { each, .. } => (fields.object("items"), each),
        };
        match element {
            Element::Text(TextMatch { pattern: Some(pattern), .. }) => {
                Some((fields.text("pattern")?, size(pattern)))
            }
            _ => None,
        }
    };
    rule.arguments().into_iter().filter_map(pattern).collect()
}

fn size(pattern: &Pattern) -> usize {
    pattern.next.len() * 2 + pattern.classes.len() + pattern.accepts.len()
}

fn kib(bytes: usize) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}
