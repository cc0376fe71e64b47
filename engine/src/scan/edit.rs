//! Replacing parts of a message.

use crate::sort::sort_by;
use alloc::string::String;
use alloc::vec::Vec;

/// Bytes of a message, and what goes in their place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// What goes there instead.
    pub with: String,
}

/// Sorts edits, and makes those that overlap one: what covers the most gives the text.
pub fn disjoint(mut edits: Vec<Edit>) -> Vec<Edit> {
    sort_by(&mut edits, |a, b| (a.start, b.end) < (b.start, a.end));
    let mut out: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        match out.last_mut() {
            Some(last) if edit.start < last.end => last.end = last.end.max(edit.end),
            _ => out.push(edit),
        }
    }
    out
}

/// The message with its edits made; they are sorted and apart.
pub fn apply(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0_usize;
    for edit in edits {
        out.extend_from_slice(text.get(at..edit.start).unwrap_or_default());
        out.extend_from_slice(edit.with.as_bytes());
        at = edit.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: usize, end: usize, with: &str) -> Edit {
        Edit { start, end, with: with.into() }
    }

    #[test]
    fn edits_that_overlap_become_one() {
        let edits = disjoint([edit(6, 8, "c"), edit(0, 3, "a"), edit(1, 5, "b"), edit(0, 2, "d")].into());
        assert_eq!(edits, [edit(0, 5, "a"), edit(6, 8, "c")]);
        assert_eq!(apply(b"0123456789", &edits), b"a5c89");
        assert_eq!(apply(b"0123", &[]), b"0123");
    }
}
