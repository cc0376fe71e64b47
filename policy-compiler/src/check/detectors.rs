//! Detectors of a policy, beside the built-in ones.

use std::borrow::Cow;

use crate::detectors::{self, Definition, Finder, Pack, Pattern, Tables, TooMuch};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::source::Document;

/// The tables of the built-in detectors and of those that a policy adds.
pub(super) fn tables(documents: &[Document<'_, '_>], out: &mut Diagnostics) -> Cow<'static, Tables> {
    let built_in = detectors::tables();
    let mut read = Vec::new();
    for document in documents {
        let id = document.name.text;
        if built_in.catalogue.detectors.binary_search_by(|of| of.id.as_str().cmp(id)).is_ok() {
            let message = format!("`{id}` is a built-in detector");
            let help = "choose another name; what the built-in one does is said in a DlpProfile";
            out.push(Diagnostic::new(Id::DuplicateName, document.name.at, message).help(help));
            continue;
        }
        let Some(definition) = Definition::read(id, document.spec, None, out) else { continue };
        if begins_well(document, &definition, out) {
            read.push(definition);
        }
    }
    let Some(first) = documents.first().filter(|_| !read.is_empty()) else { return Cow::Borrowed(built_in) };
    let pack = Pack::custom(read);
    match detectors::library().compile(&pack) {
        Ok(tables) => {
            for (at, message) in
                pack.detectors.iter().flat_map(|of| detectors::failures(of, &tables.catalogue))
            {
                let help = "mend the pattern, or the sample; `policy-compiler scan` shows what is found";
                out.push(Diagnostic::new(Id::Malformed, at, message).help(help));
            }
            Cow::Owned(tables)
        }
        Err(what) => {
            let (what, help) = too_much(what);
            let message = format!("these detectors have more {what} than there is room for");
            out.push(Diagnostic::new(Id::TooMany, first.name.at, message).help(help));
            Cow::Borrowed(built_in)
        }
    }
}

fn too_much(what: TooMuch) -> (&'static str, &'static str) {
    match what {
        TooMuch::Digits => ("of the kind that digits trigger", "give some of them `anchors` instead"),
        TooMuch::Sets => ("different sets of bytes", "use the same sets in several detectors"),
        TooMuch::Contexts => ("different lists of context words", "use the same list in several detectors"),
        TooMuch::Words => ("anchors and words", "leave out some, or shorten them"),
    }
}

/// Whether a match has at least one byte, and can begin with each of the anchors.
fn begins_well(document: &Document<'_, '_>, definition: &Definition, out: &mut Diagnostics) -> bool {
    let Finder::Pattern(pattern) = &definition.finder else { return true };
    let at = document.spec.get("pattern").map_or(document.name.at, |node| node.span);
    if pattern.dfa.accepts_in(pattern.dfa.start()) {
        let help = "write `+` for `*`, or take a `?` out, so that every match has at least one byte";
        out.push(Diagnostic::new(Id::Malformed, at, "`pattern` matches the empty text").help(help));
        return false;
    }
    let mut fine = true;
    for anchor in document.spec.texts("anchors").filter(|anchor| !can_begin(pattern, anchor.text)) {
        let message = format!("no match begins with the anchor `{}`", anchor.text);
        let help = "an anchor is the beginning of a match; what may stand before it in a match is its `lead`";
        out.push(Diagnostic::new(Id::Malformed, anchor.at, message).help(help));
        fine = false;
    }
    fine
}

/// Whether the pattern goes on after an anchor in some case, with what may stand before it.
fn can_begin(pattern: &Pattern, anchor: &str) -> bool {
    let dfa = &pattern.dfa;
    let step = |states: &[u8], bytes: &[u8]| -> Vec<u8> {
        let next = states.iter().flat_map(|&state| bytes.iter().map(move |&byte| dfa.step(state, byte)));
        let mut next: Vec<u8> = next.filter(|&state| state != 0).collect();
        next.sort_unstable();
        next.dedup();
        next
    };
    let mut states = vec![dfa.start()];
    if let Some((set, most)) = pattern.lead {
        let bytes: Vec<u8> = (0..=u8::MAX).filter(|&byte| set.contains(byte)).collect();
        let mut last = states.clone();
        for _ in 0..most {
            last = step(&last, &bytes);
            states.extend(&last);
            states.sort_unstable();
            states.dedup();
        }
    }
    for byte in anchor.bytes() {
        states = step(&states, &[byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]);
    }
    !states.is_empty()
}
