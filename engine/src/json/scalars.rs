//! The strings and numbers of a document, in the order in which they stand.

use super::{Document, Kind, NodeIndex, Value};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// A string or a number of a document.
#[derive(Clone, Debug)]
pub(crate) struct Scalar<'d> {
    /// Its place in the table of nodes.
    pub(crate) at: NodeIndex,
    pub(crate) role: Role,
    /// A string's text, escapes resolved; a number as it is written.
    pub(crate) text: Cow<'d, str>,
    /// The string's inside as it is written, and the number.
    pub(crate) raw: &'d str,
    /// Where `raw` begins in the document's text.
    pub(crate) start: usize,
}

/// What a scalar is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// It is a key of an object.
    Key,
    /// It is a string: a member's value, an element, or all there is.
    Text,
    /// It is a number.
    Number,
}

impl Document<'_> {
    /// Every string and number of the text in order, keys and values alike.
    pub(crate) fn scalars(&self) -> impl Iterator<Item = Scalar<'_>> {
        // The objects and arrays around a node: where each ends, and for an object whether a key comes next.
        let mut around: Vec<(usize, Option<bool>)> = Vec::new();
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(move |(at, node)| {
            while around.last().is_some_and(|&(end, _)| at >= end) {
                around.pop();
            }
            let is_key = match around.last_mut() {
                Some((_, Some(key_next))) => core::mem::replace(key_next, !*key_next),
                _ => false,
            };
            let end = usize::try_from(node.next).unwrap_or(usize::MAX);
            match node.kind {
                Kind::Object => around.push((end, Some(true))),
                Kind::Array => around.push((end, None)),
                _ => {}
            }
            scalar(&Value::at(self, at)?, is_key)
        })
    }
}

fn scalar<'d>(value: &Value<'d>, is_key: bool) -> Option<Scalar<'d>> {
    let (start, _) = value.span();
    let raw = value.raw();
    let role = match value.kind() {
        Kind::String if is_key => Role::Key,
        Kind::String => Role::Text,
        Kind::Number | Kind::OpaqueNumber => {
            let text = Cow::Borrowed(raw);
            return Some(Scalar { at: NodeIndex(value.at), role: Role::Number, text, raw, start });
        }
        Kind::Null | Kind::Bool(_) | Kind::Array | Kind::Object => return None,
    };
    let inside = raw.get(1..)?.strip_suffix('"')?;
    let start = start.saturating_add(1);
    Some(Scalar { at: NodeIndex(value.at), role, text: value.as_str()?, raw: inside, start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_texts_and_numbers_are_told_apart() {
        let text = br#"{"a":{"b":["c",1,{"d":"\u0065"}],"f":-2.5},"g":[],"h":{},"i":null,"j":"k"}"#;
        let document = Document::parse(text).unwrap();
        let all: Vec<_> = document.scalars().collect();
        let roles: Vec<(&str, Role)> = all.iter().map(|scalar| (&*scalar.text, scalar.role)).collect();
        use Role::{Key, Number, Text};
        let expected = [
            ("a", Key),
            ("b", Key),
            ("c", Text),
            ("1", Number),
            ("d", Key),
            ("e", Text),
            ("f", Key),
            ("-2.5", Number),
            ("g", Key),
            ("h", Key),
            ("i", Key),
            ("j", Key),
            ("k", Text),
        ];
        assert_eq!(roles, expected);
        for scalar in &all {
            assert_eq!(&text[scalar.start..scalar.start + scalar.raw.len()], scalar.raw.as_bytes());
        }
    }
}
