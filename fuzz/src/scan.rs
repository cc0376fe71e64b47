//! The scanner: nothing found in a text depends on how it came in pieces, and what is replaced leaves a message that still reads.
//!
//! The first byte of the input chooses a policy, the next where the text is cut, the rest is the text; in it a byte 0xff and the next
//! two stand for a word that the scanner looks for, so that seeds hold no secrets and a fuzzer need not guess them.

use crate::policies;
use sallyport_engine::json::Document;
use sallyport_engine::scan::{
    Action, Aside, Catalogue, Channel, Hit, Inspector, Place, Profile, Redaction, Treatment, apply, look,
};

/// Checks one text.
pub fn check(data: &[u8]) {
    let [number, cut, text @ ..] = data else { return };
    let policy = policies::policy((*number).into());
    let catalogue = &policy.parts().catalogue;
    let text = expand(catalogue, text);
    for found in look(catalogue, &text) {
        assert!(found.start <= found.end && found.end <= text.len(), "{found:?} of {}", text.len());
    }
    let redact = Action::Redact;
    let all = Treatment { request: redact, response: redact, tools: redact, redaction: Redaction::Label };
    let profile = Profile::new(vec![all; catalogue.detectors.len()], Vec::new());
    check_edits(catalogue, &profile, &text);
    let text = String::from_utf8_lossy(&text);
    let mut cut = usize::from(*cut).min(text.len());
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    for json in [false, true] {
        let (a, b) = text.split_at(cut);
        let (whole, cut_up) =
            (hits(catalogue, &profile, &[&text], json), hits(catalogue, &profile, &[a, b], json));
        assert_eq!(whole, cut_up, "cut at {cut}: {a:?} {b:?}");
    }
}

fn hits(catalogue: &Catalogue, profile: &Profile, pieces: &[&str], json: bool) -> Vec<Hit> {
    let mut channel = Channel::new(Place::Response, json);
    let (mut all, mut decided) = (Vec::<Hit>::new(), 0);
    let total: usize = pieces.iter().map(|piece| piece.len()).sum();
    for (piece, end) in pieces.iter().map(|piece| (*piece, false)).chain([("", true)]) {
        let mut note = |hit: Hit| {
            assert!(hit.start >= decided && hit.end <= total as u64, "{hit:?} after {decided}");
            all.push(hit);
        };
        let next = channel.feed(catalogue, profile, Aside::default(), (piece, end), &mut note);
        assert!(next >= decided, "{next} after {decided}");
        decided = next;
    }
    assert_eq!(decided, total as u64);
    all.sort_by_key(|hit| (hit.start, hit.end, hit.detector));
    all
}

/// What is JSON stays JSON.
fn check_edits(catalogue: &Catalogue, profile: &Profile, text: &[u8]) {
    let mut inspector = Inspector::new(catalogue, profile, Place::Request);
    let document = Document::parse(text);
    match &document {
        Ok(document) => inspector.document(document),
        Err(_) => inspector.text(text),
    }
    let inspection = inspector.finish();
    let edited = apply(text, &inspection.edits);
    assert!(document.is_err() || Document::parse(&edited).is_ok(), "{}", String::from_utf8_lossy(&edited));
}

fn expand(catalogue: &Catalogue, text: &[u8]) -> Vec<u8> {
    let words = catalogue.triggers.texts();
    let mut expanded = Vec::new();
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match bytes.as_slice() {
            [high, low, ..] if byte == 0xff && !words.is_empty() => {
                expanded.extend(&words[usize::from(u16::from_be_bytes([*high, *low])) % words.len()]);
                bytes.next();
                bytes.next();
            }
            _ => expanded.push(byte),
        }
    }
    expanded
}
