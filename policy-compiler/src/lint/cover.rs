//! Whether what one pattern covers, another covers too. "Yes" is certain; "no" may only mean that it could not be shown.

use sallyport_engine::glob::Glob;
use sallyport_engine::http::{HostPattern, PathTemplate};

/// A path template, cut into segments.
#[derive(Clone, Copy)]
pub(super) struct Segments<'t> {
    /// Without the slash before it.
    closed: &'t str,
    len: usize,
    open: bool,
}

impl<'t> Segments<'t> {
    pub(super) fn of(template: &'t PathTemplate) -> Self {
        Self::cut(template.as_str())
    }

    /// Cuts the text of a template.
    pub(super) fn cut(text: &'t str) -> Self {
        let (closed, open) = text.strip_suffix("/**").map_or((text, false), |closed| (closed, true));
        let closed = closed.strip_prefix('/').unwrap_or(closed);
        let none = open && closed.is_empty();
        let len = if none { 0 } else { closed.bytes().filter(|b| *b == b'/').count() + 1 };
        Self { closed, len, open }
    }

    /// The segments, as bytes, which are quicker to cut; `None` stands for a variable.
    fn parts(self) -> impl DoubleEndedIterator<Item = Option<&'t [u8]>> {
        let part = |part: &'t [u8]| (part != b"*" && !part.starts_with(b"{")).then_some(part);
        self.closed.as_bytes().split(|b| *b == b'/').filter(move |_| self.len > 0).map(part)
    }

    /// Without a slash at the end, unless that is all there is.
    fn without_slash(self) -> Self {
        match self.closed.strip_suffix('/') {
            Some(closed) if !self.open => Self { closed, len: self.len - 1, open: false },
            _ => self,
        }
    }

    /// Whether a rule that refuses this template refuses every path of `other`: a server may ignore case, or a slash at the end.
    fn covers_loosely(self, other: Self) -> bool {
        let covers = |a: Self, b: Self| a.covers_by(b, <[u8]>::eq_ignore_ascii_case);
        covers(self, other) || covers(self.without_slash(), other.without_slash())
    }

    /// Whether every path of `other` is one of this template.
    pub(super) fn covers(self, other: Self) -> bool {
        self.covers_by(other, |a, b| a == b)
    }

    fn covers_by(self, other: Self, same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        let enough = if self.open { other.len >= self.len } else { !other.open && other.len == self.len };
        let covers = |(a, b): (Option<&[u8]>, Option<&[u8]>)| match (a, b) {
            (None, Some(literal)) => !literal.is_empty(),
            (None, None) => true,
            (Some(a), Some(b)) => same(a, b),
            (Some(_), None) => false,
        };
        enough && self.parts().zip(other.parts()).all(covers)
    }

    /// Whether some path is one of both.
    pub(super) fn overlaps(self, other: Self) -> bool {
        let lengths = match (self.open, other.open) {
            (true, true) => true,
            (true, false) => other.len >= self.len,
            (false, true) => self.len >= other.len,
            (false, false) => self.len == other.len,
        };
        let meet = |(a, b): (Option<&[u8]>, Option<&[u8]>)| match (a, b) {
            (Some(a), Some(b)) => a == b,
            (Some(literal), None) | (None, Some(literal)) => !literal.is_empty(),
            (None, None) => true,
        };
        lengths && self.parts().zip(other.parts()).all(meet)
    }

    /// Whether some path of the template can end in these segments, `*` among them for any.
    pub(super) fn can_end_in(self, tail: &[&str]) -> bool {
        let fits = |(part, wanted): (Option<&[u8]>, &&str)| {
            part.is_none_or(|part| *wanted == "*" || part == wanted.as_bytes())
        };
        self.open || (self.len >= tail.len() && self.parts().rev().zip(tail.iter().rev()).all(fits))
    }
}

/// Whether each of `narrow` is covered by one of `wide`: to the letter, or loosely, as by a rule that refuses. A `*` in a name can only be
/// covered by a `*`.
pub(super) fn globs(wide: &[Glob], narrow: &[Glob], loosely: bool) -> bool {
    let covers = |wide: &Glob, narrow: &str| match loosely {
        true => wide.matches_ignoring_case(narrow),
        false => wide.matches(narrow),
    };
    narrow.iter().all(|narrow| wide.iter().any(|wide| covers(wide, narrow.as_str())))
}

/// Whether each of `narrow` is covered by one of `wide`, likewise.
pub(super) fn paths(wide: &[PathTemplate], narrow: &[PathTemplate], loosely: bool) -> bool {
    let covers = |wide: Segments<'_>, narrow| match loosely {
        true => wide.covers_loosely(narrow),
        false => wide.covers(narrow),
    };
    let mut narrow = narrow.iter().map(Segments::of);
    narrow.all(|narrow| wide.iter().map(Segments::of).any(|wide| covers(wide, narrow)))
}

/// Whether each of `narrow` is covered by one of `wide`.
pub(super) fn hosts(wide: &[HostPattern], narrow: &[HostPattern]) -> bool {
    let covers = |wide: &HostPattern, narrow: &HostPattern| match narrow {
        HostPattern::Exact(host) => wide.matches(host),
        HostPattern::Suffix(_) => wide == narrow,
    };
    narrow.iter().all(|narrow| wide.iter().any(|wide| covers(wide, narrow)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_engine::http::RequestPath;

    #[test]
    fn a_template_covers_what_all_its_paths_are() {
        for (wide, narrow, covers, overlaps) in [
            ("/docs/**", "/docs", true, true),
            ("/docs/**", "/docs/{id}", true, true),
            ("/docs/**", "/docs/a/**", true, true),
            ("/docs/{id}", "/docs/a", true, true),
            ("/docs/{id}", "/docs/", false, false),
            ("/docs/{id}", "/docs/**", false, true),
            ("/docs/a", "/docs/{id}", false, true),
            ("/docs/a", "/docs/b", false, false),
            ("/**", "/", true, true),
            ("/**", "/**", true, true),
            ("/a/{x}", "/{x}/b", false, true),
            ("/a", "/a/b", false, false),
        ] {
            let (a, b) = (Segments::cut(wide), Segments::cut(narrow));
            assert_eq!(
                (a.covers(b), a.overlaps(b), b.overlaps(a)),
                (covers, overlaps, overlaps),
                "{wide} {narrow}"
            );
        }
    }

    #[test]
    fn a_star_is_only_covered_by_a_star() {
        let globs_of = |texts: &[&str]| texts.iter().map(|text| Glob::new(*text)).collect::<Vec<_>>();
        for (wide, narrow, covers) in [
            (&["search_*"][..], &["search_docs", "search_*", "search_a*b"][..], true),
            (&["*"], &["a*", "*"], true),
            (&["search_*"], &["s*"], false),
            (&["a", "b"], &["b", "a"], true),
            (&["a*b"], &["a*"], false),
            (&[], &["a"], false),
        ] {
            assert_eq!(globs(&globs_of(wide), &globs_of(narrow), false), covers, "{wide:?} {narrow:?}");
        }
    }

    #[test]
    fn a_template_ends_in_what_its_last_segments_are() {
        for (template, ends) in [
            ("/v1/chat/completions", true),
            ("/v1/**", true),
            ("/{a}/{b}/{c}", true),
            ("/v1/messages", false),
            ("/completions", false),
        ] {
            assert_eq!(Segments::cut(template).can_end_in(&["chat", "completions"]), ends, "{template}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_said_to_be_covered_is_covered(
            wide in "(/[abA]|/[*]){0,3}(/[*]{2})?/?",
            narrow in "(/[ab]|/[*]){0,3}(/[*]{2})?/?",
            path in "(/[abcA]){1,4}/?",
        ) {
            if let (Ok(a), Ok(b), Ok(path)) =
                (PathTemplate::parse(&wide), PathTemplate::parse(&narrow), RequestPath::parse(&path))
            {
                let (by_a, by_b) = (a.matches(&path), b.matches(&path));
                let refused = a.matches_loosely(&path);
                let (a, b) = (Segments::of(&a), Segments::of(&b));
                proptest::prop_assert!(!(a.covers(b) && by_b) || by_a, "{} covers {}", wide, narrow);
                proptest::prop_assert!(!(a.covers_loosely(b) && by_b) || refused, "{} refuses {}", wide, narrow);
                proptest::prop_assert!(!(by_a && by_b) || a.overlaps(b), "{} overlaps {}", wide, narrow);
            }
        }

        #[test]
        fn what_a_name_covers_its_wider_one_covers(wide in "[ab*]{1,5}", narrow in "[ab*]{1,5}", name in "[ab]{0,6}") {
            let (wide, narrow) = (Glob::new(wide), Glob::new(narrow));
            let covers = globs(std::slice::from_ref(&wide), std::slice::from_ref(&narrow), false);
            proptest::prop_assert!(!(covers && narrow.matches(&name)) || wide.matches(&name));
        }
    }
}
