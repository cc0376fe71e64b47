//! Tools as they were when somebody approved of them.

use super::Service;
use crate::digest::{hex, sha256};
use crate::json::Value;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// A tool that a server offers, as it was approved: its name, a blank, and the digest of its descriptor in hexadecimal digits. Several of
/// one name: any of them.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct ToolPin(String);

impl ToolPin {
    /// The pin of a tool by a digest.
    pub fn new(name: &str, digest: &str) -> Self {
        Self([name, " ", digest].concat())
    }

    /// The digest of a tool's descriptor: the SHA-256 of its canonical form (RFC 8785), every member of it.
    pub fn digest_of(descriptor: &Value<'_>) -> String {
        hex(&sha256(&[&descriptor.canonical()]))
    }

    /// The name. Rules grant none with a blank in it.
    pub fn name(&self) -> &str {
        self.0.rsplit_once(' ').map_or("", |(name, _)| name)
    }
}

impl Service {
    /// Whether a tool is as policy pins it; `None` where policy pins none of that name.
    pub(crate) fn is_as_pinned(&self, name: &str, descriptor: &Value<'_>) -> Option<bool> {
        let first = self.tools.partition_point(|pin| pin.name() < name);
        let mut pins = self.tools.iter().skip(first).take_while(|pin| pin.name() == name).peekable();
        pins.peek()?;
        let now = ToolPin::new(name, &ToolPin::digest_of(descriptor));
        Some(pins.any(|pin| *pin == now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;

    #[test]
    fn a_digest_is_of_everything_in_a_descriptor_and_of_nothing_else() {
        let digest = |text: &str| {
            let document = Document::parse(text.as_bytes()).unwrap();
            ToolPin::digest_of(&document.root().unwrap())
        };
        let pay = digest(r#"{"name":"pay","inputSchema":{"type":"object","maxProperties":1}}"#);
        assert_eq!(
            pay,
            digest(r#"{ "inputSchema": {"maxProperties": 1.0, "type": "obj\u0065ct"}, "name": "pay" }"#)
        );
        for other in [
            r#"{"name":"pay","inputSchema":{"type":"object","maxProperties":2}}"#,
            r#"{"name":"pay","inputSchema":{"type":"object","maxProperties":1},"_meta":{}}"#,
            r#"{"name":"Pay","inputSchema":{"type":"object","maxProperties":1}}"#,
        ] {
            assert_ne!(pay, digest(other), "{other}");
        }
    }
}
