//! JSON Pointers (RFC 6901) to the nodes of a document, fit for records.

use super::{Document, Kind, NodeIndex, Value};
use alloc::string::{String, ToString};

/// The longest key that a pointer shows, in bytes.
const MAX_KEY_LEN: usize = 64;

impl Document<'_> {
    /// The pointer to a node. Records may not carry content, and a key can be content: a key that is long, that holds anything but
    /// letters, digits, `_`, `-` and `.`, or that `clean` refuses is shown as `*`. A key itself is pointed to as its object
    /// with `#key` behind it.
    pub fn pointer(&self, to: NodeIndex, clean: impl Fn(&str) -> bool) -> String {
        let mut pointer = String::new();
        let mut at = self.root();
        while let Some(value) = at {
            at = step(&value, to.0, &mut pointer, &clean);
        }
        pointer
    }
}

/// Goes one level down towards the node, and notes how.
fn step<'d>(
    value: &Value<'d>,
    to: usize,
    pointer: &mut String,
    clean: &impl Fn(&str) -> bool,
) -> Option<Value<'d>> {
    if value.at == to {
        return None;
    }
    if value.kind() == Kind::Array {
        let (position, child) = value.items().enumerate().find(|(_, child)| child.holds(to))?;
        pointer.push('/');
        pointer.push_str(&position.to_string());
        return Some(child);
    }
    for (key, child) in value.entries() {
        if child.at.checked_sub(1) == Some(to) {
            pointer.push_str("#key");
            return None;
        }
        if child.holds(to) {
            pointer.push('/');
            pointer.push_str(if is_plain(&key) && clean(&key) { &key } else { "*" });
            return Some(child);
        }
    }
    None
}

impl Value<'_> {
    /// Whether a node is this value or within it.
    fn holds(&self, node: usize) -> bool {
        let end = usize::try_from(self.node.next).unwrap_or(usize::MAX);
        (self.at..end).contains(&node)
    }
}

fn is_plain(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !key.is_empty() && key.len() <= MAX_KEY_LEN && key.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_its_node_and_hides_odd_keys() {
        let text = br#"{"a":{"b":["x",{"c d":"y","e":"z"}],"hidden":"w"}}"#;
        let document = Document::parse(text).unwrap();
        let pointer = |wanted: &str| {
            let scalar = document.scalars().find(|scalar| scalar.text == wanted).unwrap();
            document.pointer(scalar.at, |key| key != "hidden")
        };
        assert_eq!(pointer("x"), "/a/b/0");
        assert_eq!(pointer("y"), "/a/b/1/*");
        assert_eq!(pointer("z"), "/a/b/1/e");
        assert_eq!(pointer("w"), "/a/*");
        assert_eq!(pointer("b"), "/a#key");
    }
}
