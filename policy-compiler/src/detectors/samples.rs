//! Whether a detector finds what its samples say.

use sallyport_engine::scan::{Catalogue, look};

use super::definition::Definition;
use crate::sources::Span;

/// What is wrong with a detector's samples: where, and in words.
pub fn failures(definition: &Definition, catalogue: &Catalogue) -> Vec<(Span, String)> {
    let count = |text: &str| {
        let found = look(catalogue, text.as_bytes());
        found
            .iter()
            .filter(|found| catalogue.detector(found.detector).is_some_and(|of| of.id == definition.id))
            .count()
    };
    let mut failures = Vec::new();
    for (text, at) in &definition.matches {
        match count(text) {
            1 => {}
            0 => failures.push((*at, format!("`{}` does not find this sample", definition.id))),
            more => failures
                .push((*at, format!("`{}` finds {more} matches in this sample, not one", definition.id))),
        }
    }
    for (text, at) in &definition.misses {
        if count(text) > 0 {
            failures.push((
                *at,
                format!("`{}` finds something in a sample that it must pass over", definition.id),
            ));
        }
    }
    failures
}
