//! Finding the pattern of SPIFFE IDs that covers a caller, without an index: sorted patterns are a trie already.
//!
//! Patterns that begin with the same segments stand beside each other, and so do, among those, the ones whose next segment begins with
//! the same letters. A segment is followed letter by letter through ever shorter stretches of the table. At each letter the patterns
//! that have a `*` there are asked one by one; all others are left behind. A lookup so costs the logarithm of the table's
//! length, and as many comparisons as patterns share the letters before their first `*` with the caller.

use super::AgentId;
use crate::identity::{SpiffeId, SpiffePattern};
use core::cmp::Ordering;

/// A pattern and the agent that it is bound to.
pub(super) type Bound = (SpiffePattern, AgentId);

/// The first of the sorted patterns that covers an ID.
pub(super) fn covering<'p>(patterns: &'p [Bound], id: &SpiffeId) -> Option<&'p Bound> {
    let domain = id.trust_domain();
    let known = stretch(patterns, |(pattern, _)| pattern.trust_domain().as_str().cmp(domain));
    below(known, 0, id.path())
}

/// The first of `patterns`, which are alike in their first `depth` segments, whose others cover `path`.
fn below<'p>(patterns: &'p [Bound], depth: usize, path: &str) -> Option<&'p Bound> {
    let (segment, rest) = match path.split_once('/') {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (path, None),
    };
    let mut first = None;
    let mut alike = patterns;
    for (at, letter) in segment.bytes().map(Some).chain([None]).enumerate() {
        if alike.is_empty() {
            break;
        }
        let letter_of = |bound: &Bound| segment_of(bound, depth).as_bytes().get(at).copied();
        for same in groups(stretch(alike, |bound| letter_of(bound).cmp(&Some(b'*'))), depth) {
            first = earlier(first, same, depth, segment, rest);
        }
        alike = stretch(alike, |bound| letter_of(bound).cmp(&letter));
    }
    // What is left has no letter more: it is the segment itself.
    earlier(first, alike, depth, segment, rest)
}

/// Either `first`, or the first of patterns that have the same segment here, if that covers `segment` and what follows covers `rest`.
fn earlier<'p>(
    first: Option<&'p Bound>,
    same: &'p [Bound],
    depth: usize,
    segment: &str,
    rest: Option<&str>,
) -> Option<&'p Bound> {
    let covers =
        |(pattern, _): &&Bound| pattern.segments().get(depth).is_some_and(|glob| glob.matches(segment));
    let head = same.first().filter(covers);
    let deeper = depth.saturating_add(1);
    let found = head.and_then(|head| match rest {
        Some(rest) => below(same, deeper, rest),
        // The shortest stands first.
        None => Some(head).filter(|(pattern, _)| pattern.segments().len() == deeper),
    });
    first.into_iter().chain(found).min()
}

/// The patterns of a stretch, those with the same segment together.
fn groups(mut stretch: &[Bound], depth: usize) -> impl Iterator<Item = &[Bound]> {
    core::iter::from_fn(move || {
        let segment = segment_of(stretch.first()?, depth);
        let (same, rest) =
            stretch.split_at_checked(stretch.partition_point(|bound| segment_of(bound, depth) <= segment))?;
        stretch = rest;
        Some(same)
    })
}

/// The part of a sorted table that compares as equal.
fn stretch(table: &[Bound], order: impl Fn(&Bound) -> Ordering) -> &[Bound] {
    let equal = |bound: Option<&Bound>| bound.is_some_and(|bound| order(bound).is_eq());
    if equal(table.first()) && equal(table.last()) {
        return table;
    }
    let from = table.partition_point(|bound| order(bound).is_lt());
    let rest = table.get(from..).unwrap_or_default();
    rest.get(..rest.partition_point(|bound| order(bound).is_eq())).unwrap_or_default()
}

/// A segment of a pattern; the empty text, which no segment is, where there is none.
fn segment_of((pattern, _): &Bound, depth: usize) -> &str {
    pattern.segments().get(depth).map_or("", |glob| glob.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Few letters and short segments, so that patterns meet.
    fn patterns() -> impl Strategy<Value = Vec<Bound>> {
        let bound = ("[ab]", "[ab-]{0,2}[ab*-]{1,2}(/[ab*]{1,3}){0,2}", 0..4_u32);
        vec(bound, 0..40).prop_map(|bounds| {
            let parse = |(domain, path, agent): (String, String, u32)| {
                Some((SpiffePattern::parse(&format!("spiffe://{domain}/{path}")).ok()?, AgentId(agent)))
            };
            let mut bounds: Vec<Bound> = bounds.into_iter().filter_map(parse).collect();
            bounds.sort_unstable();
            bounds
        })
    }

    use alloc::string::String;

    proptest! {
        #[test]
        fn the_pattern_is_the_one_that_a_scan_finds(patterns in patterns(), ids in vec("[ab]/[ab-]{1,4}(/[ab]{1,3}){0,2}", 20)) {
            for id in ids {
                let id = SpiffeId::parse(format!("spiffe://{id}").as_bytes()).unwrap();
                let scanned = patterns.iter().find(|(pattern, _)| pattern.matches(&id));
                prop_assert_eq!(covering(&patterns, &id), scanned, "{}", id);
            }
        }
    }
}
