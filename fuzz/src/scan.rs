//! The scanner of secrets: it finds what looking for each detector at each place finds, and nothing else.
//!
//! The first byte of the input chooses a policy, the rest is the text; in it a byte 0xff and the next stand for an anchor, so that
//! seeds hold no secrets and a fuzzer need not guess them.

use crate::policies;
use sallyport_engine::scan::{Action, Catalogue, Detector, MAX_MATCH_LEN, Profile, Segment};
use std::collections::BTreeSet;

/// A detector's number, and the span of a match.
type Found = (u16, usize, usize);

/// Checks one text.
pub fn check(data: &[u8]) {
    let Some((&number, text)) = data.split_first() else { return };
    let policy = policies::policy(number.into());
    let catalogue = &policy.parts().catalogue;
    let text = &expand(catalogue, text);
    let all = Profile { actions: vec![Action::Alert; catalogue.detectors.len()] };
    let mut found: BTreeSet<Found> = BTreeSet::new();
    catalogue.scan(&all, text, |hit| {
        found.insert((hit.detector.0, hit.start, hit.end));
    });
    let (certain, close) = look(catalogue, text);
    assert!(certain.is_subset(&found), "not found: {:?}", certain.difference(&found));
    let extra: Vec<_> = found.iter().filter(|hit| !certain.contains(hit) && !close.contains(hit)).collect();
    assert!(extra.is_empty(), "found but not there: {extra:?}");
    let off = Profile { actions: vec![Action::Off; catalogue.detectors.len()] };
    catalogue.scan(&off, text, |hit| panic!("{hit:?} by a detector that is off"));
}

fn expand(catalogue: &Catalogue, text: &[u8]) -> Vec<u8> {
    let anchors: Vec<&String> = catalogue.detectors.iter().flat_map(|detector| &detector.anchors).collect();
    let mut expanded = Vec::new();
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match bytes.as_slice().first().filter(|_| byte == 0xff && !anchors.is_empty()) {
            Some(&number) => {
                expanded.extend(anchors[usize::from(number) % anchors.len()].bytes());
                bytes.next();
            }
            None => expanded.push(byte),
        }
    }
    expanded
}

/// The matches, and those whose entropy is so close to the limit that rounding decides.
fn look(catalogue: &Catalogue, text: &[u8]) -> (BTreeSet<Found>, BTreeSet<Found>) {
    let (mut certain, mut close) = (BTreeSet::new(), BTreeSet::new());
    for (detector, number) in catalogue.detectors.iter().zip(0_u16..) {
        for anchor in &detector.anchors {
            for start in 0..text.len() {
                if !text[start..].starts_with(anchor.as_bytes()) {
                    continue;
                }
                let after = start + anchor.len();
                let Some(end) = read_on(detector, text, start, after) else { continue };
                let distance = entropy(&text[after..end]) - f64::from(detector.min_entropy);
                if distance.abs() < 1.2 {
                    close.insert((number, start, end));
                } else if distance > 0.0 {
                    certain.insert((number, start, end));
                }
            }
        }
    }
    (certain, close)
}

/// Where a match that begins with an anchor ends, entropy aside.
fn read_on(detector: &Detector, text: &[u8], start: usize, after: usize) -> Option<usize> {
    let limit = text.len().min(start + MAX_MATCH_LEN);
    let mut at = after;
    for segment in &detector.segments {
        let rest = text[..limit].get(at..)?;
        at += match segment {
            Segment::Literal(literal) => rest.starts_with(literal).then_some(literal.len())?,
            Segment::Run { set, min, max } => {
                let run = rest.iter().position(|&byte| !set.contains(byte)).unwrap_or(rest.len());
                let run = run.min(usize::from(*max));
                (run >= usize::from(*min)).then_some(run)?
            }
        };
    }
    let word = |byte: Option<&u8>| byte.is_some_and(|&byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let part = word(start.checked_sub(1).and_then(|before| text.get(before))) || word(text.get(at));
    (!detector.whole_word || !part).then_some(at)
}

/// Sixteenths of a bit per byte.
#[expect(clippy::cast_precision_loss, reason = "at most 255 bytes are counted")]
fn entropy(text: &[u8]) -> f64 {
    let text = &text[..text.len().min(255)];
    let mut counts = [0_usize; 256];
    text.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let share = |count: usize| count as f64 / text.len() as f64;
    counts.iter().filter(|&&count| count > 0).map(|&count| -share(count) * share(count).log2()).sum::<f64>()
        * 16.0
}
