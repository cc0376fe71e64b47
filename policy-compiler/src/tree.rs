//! A file as a tree: what was written, where, and with which quotes. YAML and JSON files give the same tree.
//!
//! Nothing is resolved here. A bare `no` stays the two letters that were written, so that whoever wants text can say that
//! YAML would take it for a boolean ([`Scalar::misread_as`]).

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::sources::Span;

/// The deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 64;

/// One value and where it stands. The span of a mapping or list reaches from its first to its last character.
#[derive(Clone, Debug)]
pub struct Node<'s> {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value<'s>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Value<'s> {
    /// Something that was reported already; readers pass over it in silence.
    Invalid,
    /// A list.
    List(Vec<Node<'s>>),
    /// A mapping, in the order written. Keys are distinct.
    Map(Vec<Entry<'s>>),
    /// Anything else.
    Scalar(Scalar<'s>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry<'s> {
    /// The key.
    pub key: Key<'s>,
    /// Where the key stands.
    pub at: Span,
    /// The value.
    pub node: Node<'s>,
}

/// The text of a key, which is mostly compared with others.
#[derive(Clone, Debug)]
pub struct Key<'s> {
    text: Cow<'s, str>,
    tag: Tag,
}

/// The first bytes of a text and its length. A short text is known by its tag alone, and need not be fetched from memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tag(u64);

/// A word or text.
#[derive(Clone, Debug)]
pub struct Scalar<'s> {
    /// The text, escapes resolved.
    pub text: Cow<'s, str>,
    /// Whether it was quoted, or a block of text: then it is text and nothing else.
    pub quoted: bool,
    /// Whether all readers of YAML read text; kept, so that whoever asks need not look at the text.
    plain: bool,
}

// === impl Node ===

impl Node<'_> {
    /// "a list", "a mapping", …: what stands here, for messages.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Invalid => "something unreadable",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Scalar(scalar) => scalar.misread_as().unwrap_or("text"),
        }
    }

    /// Whether it is written `null` or `~`. Nothing at all does not count: it is more often a slip than meant.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(s) if !s.quoted && matches!(&*s.text, "null" | "~"))
    }

    /// Whether nothing at all is written.
    pub fn is_blank(&self) -> bool {
        matches!(&self.value, Value::Scalar(s) if !s.quoted && s.text.is_empty())
    }
}

// === impl Key ===

impl<'s> Key<'s> {
    /// A key of this text.
    pub fn new(text: impl Into<Cow<'s, str>>) -> Self {
        let text = text.into();
        Self { tag: Tag::of(&text), text }
    }

    /// Whether it is this one, whose tag is at hand.
    #[inline]
    pub(crate) fn is(&self, text: &str, tag: Tag) -> bool {
        self.tag == tag && (tag.is_whole() || self.text == text)
    }
}

impl Deref for Key<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.is(other, other.tag)
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

// === impl Tag ===

impl Tag {
    /// The longest text that fits, in bytes.
    const WHOLE: usize = 7;

    /// The tag of a text; worked out ahead where the text is a literal.
    #[inline]
    pub(crate) fn of(text: &str) -> Self {
        let first = text.bytes().take(Self::WHOLE).fold(0, |tag, byte| (tag << 8) | u64::from(byte));
        Self((first << 8) | text.len().min(Self::WHOLE + 1) as u64)
    }

    /// Whether all of the text is in it.
    #[inline]
    fn is_whole(self) -> bool {
        self.0 & 0xff <= Self::WHOLE as u64
    }
}

// === impl Scalar ===

impl<'s> Scalar<'s> {
    /// What was written, with or without quotes.
    pub fn new(text: impl Into<Cow<'s, str>>, quoted: bool) -> Self {
        let text = text.into();
        Self { plain: quoted || misread_as(&text).is_none(), text, quoted }
    }

    /// Whether all readers of YAML read text.
    pub fn is_text(&self) -> bool {
        self.plain
    }

    /// What YAML readers of one version or another take a bare word for; `None` if all of them read text.
    pub fn misread_as(&self) -> Option<&'static str> {
        if self.plain { None } else { misread_as(&self.text) }
    }
}

/// What YAML readers of one version or another take a bare word for; `None` if all of them read text.
fn misread_as(text: &str) -> Option<&'static str> {
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    match text.bytes().next() {
        None => Some("nothing"),
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => is_number(&text.to_ascii_lowercase()).then_some("a number"),
        // None of the words is longer; most text is.
        _ if text.len() > 5 => None,
        _ if ["~", "null"].iter().any(is) => Some("null"),
        _ if ["true", "false", "yes", "no", "on", "off"].iter().any(is) => Some("a boolean"),
        _ => None,
    }
}

/// Whether a lower-case word is a number of YAML 1.1 or 1.2: decimal, hexadecimal, octal, binary, sexagesimal, float.
fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if matches!(digits, ".inf" | ".nan") {
        return true;
    }
    let radix = |prefix: &str, radix: u32| {
        let rest = digits.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        rest.is_some_and(|rest| rest.chars().all(|c| c == '_' || c.is_digit(radix)))
    };
    if radix("0x", 16) || radix("0o", 8) || radix("0b", 2) {
        return true;
    }
    let plain: String = digits.chars().filter(|&c| c != '_').collect();
    let sexagesimal = || {
        plain.contains(':') && plain.split(':').all(|part| !part.is_empty() && part.parse::<f64>().is_ok())
    };
    plain.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && plain.contains(|c: char| c.is_ascii_digit())
        && (plain.parse::<f64>().is_ok() || sexagesimal())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misread(text: &str) -> Option<&'static str> {
        Scalar::new(text, false).misread_as()
    }

    #[test]
    fn words_that_yaml_takes_for_something_else_are_known() {
        for word in ["yes", "No", "ON", "off", "true"] {
            assert_eq!(misread(word), Some("a boolean"), "{word}");
        }
        for word in [
            "1", "-1", "+3", "1.0", "1e3", ".5", "0x1f", "0o17", "0b1", "1_000", "12:30", ".inf", "-.inf",
            ".nan",
        ] {
            assert_eq!(misread(word), Some("a number"), "{word}");
        }
        assert_eq!(
            (misread("~"), misread("NULL"), misread("")),
            (Some("null"), Some("null"), Some("nothing"))
        );
        for word in [
            "v1",
            "1.2.3",
            "GET",
            "e3",
            "inf",
            "nan",
            "0x",
            "a:b",
            "10.0.0.1",
            ".",
            "2026-11-21T10:00:00Z",
            "-",
        ] {
            assert_eq!(misread(word), None, "{word}");
        }
    }
}
