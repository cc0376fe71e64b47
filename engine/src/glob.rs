//! Text patterns in which `*` stands for any run of characters, within one name.
//!
//! Matching never allocates and takes at most `pattern × text` steps; both are bounded by the callers' limits.

use alloc::string::String;
use alloc::vec;
use serde::{Deserialize, Serialize};

/// A name, or a pattern of names with `*` in it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Glob(String);

impl Glob {
    /// Takes the pattern as it is; every text is a valid pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern names one text only.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether `text` is covered, compared byte by byte.
    pub fn matches(&self, text: &str) -> bool {
        matches(self.0.as_bytes(), text.as_bytes(), |a, b| a == b)
    }

    /// Whether `text` is covered when ASCII case is ignored. For deny rules only: a server may fold case.
    pub fn matches_ignoring_case(&self, text: &str) -> bool {
        matches(self.0.as_bytes(), text.as_bytes(), |a, b| a.eq_ignore_ascii_case(&b))
    }

    /// Whether some text is covered by both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        overlaps(self.0.as_bytes(), other.0.as_bytes())
    }
}

/// Greedy matching with one point to fall back to: the last `*` seen.
fn matches(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut p, mut t) = (0_usize, 0_usize);
    let mut fallback: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                fallback = Some((p, t));
                p = p.saturating_add(1);
                continue;
            }
            (Some(&want), Some(&got)) if same(want, got) => {
                p = p.saturating_add(1);
                t = t.saturating_add(1);
                continue;
            }
            _ => {}
        }
        match fallback {
            Some((star, from)) if from < text.len() => {
                let from = from.saturating_add(1);
                fallback = Some((star, from));
                p = star.saturating_add(1);
                t = from;
            }
            _ => return false,
        }
    }
}

/// Reachability over pairs of positions: `row[j]` says whether `a[..i]` and `b[..j]` can match one text.
fn overlaps(a: &[u8], b: &[u8]) -> bool {
    let width = b.len().saturating_add(1);
    let mut row = vec![false; width];
    if let Some(first) = row.first_mut() {
        *first = true;
    }
    spread_stars(&mut row, b);
    for &x in a {
        let mut next = vec![false; width];
        for (j, _) in row.iter().enumerate().filter(|(_, reachable)| **reachable) {
            let y = b.get(j).copied();
            if x == b'*' || y == Some(b'*') {
                mark(&mut next, j); // one star stands for what the other side has here
            } else if y == Some(x) {
                mark(&mut next, j.saturating_add(1));
            }
        }
        if x == b'*' {
            // The star may also swallow any run of `b`.
            let from = next.iter().position(|reachable| *reachable);
            next.iter_mut().skip(from.unwrap_or(width)).for_each(|cell| *cell = true);
        }
        spread_stars(&mut next, b);
        row = next;
    }
    row.last().copied().unwrap_or(false)
}

fn mark(row: &mut [bool], at: usize) {
    if let Some(cell) = row.get_mut(at) {
        *cell = true;
    }
}

/// A `*` in `b` may stand for nothing.
fn spread_stars(row: &mut [bool], b: &[u8]) {
    for (j, &y) in b.iter().enumerate() {
        if y == b'*' && row.get(j).copied().unwrap_or(false) {
            mark(row, j.saturating_add(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_cover_runs_and_nothing_else_is_special() {
        for (pattern, text, covered) in [
            ("search_docs", "search_docs", true),
            ("search_docs", "search_docs2", false),
            ("search_*", "search_", true),
            ("*_docs", "search_docs", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("a.c", "abc", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), covered, "{pattern} {text}");
        }
        assert!(!Glob::new("drop_*").matches("Drop_table"));
        assert!(Glob::new("drop_*").matches_ignoring_case("Drop_table"));
    }

    #[test]
    fn overlap_is_found_where_one_text_fits_both() {
        for (a, b, both) in [
            ("research-*", "research-agent", true),
            ("research-*", "deploy-*", false),
            ("a*", "*b", true),
            ("a*c", "ab*", true),
            ("a", "a", true),
            ("a", "b", false),
            ("*", "*", true),
            ("ab*", "a", false),
        ] {
            assert_eq!(Glob::new(a).overlaps(&Glob::new(b)), both, "{a} {b}");
            assert_eq!(Glob::new(b).overlaps(&Glob::new(a)), both, "{b} {a}");
        }
    }

    proptest! {
        #[test]
        fn a_text_that_fits_both_patterns_proves_an_overlap(a in "[ab*]{0,6}", b in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let (a, b) = (Glob::new(a), Glob::new(b));
            if a.matches(&text) && b.matches(&text) {
                prop_assert!(a.overlaps(&b) && b.overlaps(&a));
            }
        }
    }
}
