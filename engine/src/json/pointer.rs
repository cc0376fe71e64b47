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

impl Document<'_> {
    /// Whether steps lead from the root to a node; `*` is any one step.
    pub(crate) fn is_at(&self, node: NodeIndex, steps: &[String]) -> bool {
        let mut at = self.root();
        for step in steps {
            at = at.and_then(|value| {
                let leads =
                    |name: &str, child: &Value<'_>| child.holds(node.0) && (step == "*" || step == name);
                if value.kind() == Kind::Array {
                    let mut items = value.items().enumerate();
                    items
                        .find(|(position, child)| leads(&position.to_string(), child))
                        .map(|(_, child)| child)
                } else {
                    value.entries().find(|(key, child)| leads(key, child)).map(|(_, child)| child)
                }
            });
        }
        at.is_some_and(|value| value.at == node.0)
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
    use alloc::vec::Vec;

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

    #[test]
    fn steps_lead_to_their_nodes_alone() {
        let document = Document::parse(br#"{"a":{"b":["x",{"c/d":"y"}],"":"w"},"z":"v"}"#).unwrap();
        let at = |wanted: &str, steps: &[&str]| {
            let scalar = document.scalars().find(|scalar| scalar.text == wanted).unwrap();
            let steps: Vec<String> = steps.iter().map(|step| (*step).into()).collect();
            document.is_at(scalar.at, &steps)
        };
        assert!(at("x", &["a", "b", "0"]) && at("x", &["*", "b", "*"]) && at("y", &["a", "*", "1", "c/d"]));
        assert!(at("w", &["a", ""]) && at("v", &["*"]));
        assert!(!at("x", &["a", "b"]) && !at("x", &["a", "b", "1"]) && !at("x", &["a", "b", "0", "*"]));
        assert!(!at("v", &[]) && !at("y", &["*"]) && !at("w", &["a", "b"]));
    }
}
