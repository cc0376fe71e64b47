//! What a forwarded MCP message asks for, as the gate judged it.
//!
//! A server rarely keeps a body as plain JSON: it decodes it into its own structures, and some decoders take a member for another
//! whose name differs in case. For every body that the gate would let pass, such a decoder must find the same method, and where
//! the method has them the same name, URI and arguments.

use crate::canonical::Canonical;
use sallyport_engine::bundle::{self, BundleError};
use sallyport_engine::http::Head;
use sallyport_engine::identity::Peer;
use sallyport_engine::json::{Document, Value};
use sallyport_engine::{End, Exchange, Nowhere, Policy, Step};
use std::rc::Rc;

/// A gate that lets every MCP message pass whose meaning is plain.
#[derive(Debug)]
pub struct Gate(Rc<Policy>);

impl Gate {
    /// The gate of a bundle, compiled from `policy.yaml` beside this crate.
    pub fn load(bundle: &[u8]) -> Result<Self, BundleError> {
        bundle::decode(bundle).map(|policy| Self(Rc::new(policy)))
    }

    /// Whether the body is let pass.
    pub fn passes(&self, body: &[u8]) -> bool {
        let mut exchange = Exchange::new(Some(Rc::clone(&self.0)), Rc::new(Nowhere));
        let head: [(&[u8], &[u8]); 4] = [
            (b":method", b"POST"),
            (b":authority", b"h"),
            (b":path", b"/mcp"),
            (b"content-type", b"application/json"),
        ];
        let caller: [&[u8]; 1] = [b"spiffe://td/agent"];
        let held = exchange.request_head(&Head::new(&head), &Peer::Verified(&caller), End::More).step;
        held == Step::Hold && exchange.request_body(body) == Step::Forward
    }
}

/// The canonical form of an operation: the method; then for `tools/call` and `prompts/get` the name and the arguments, for
/// `resources/read`, `subscribe` and `unsubscribe` the URI.
pub fn of_document(document: &Document<'_>) -> Vec<u8> {
    let root = document.root();
    let params = root.and_then(|root| root.get("params"));
    let text = |object: Option<Value<'_>>, key: &str| {
        object
            .and_then(|object| object.get(key))
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .into_owned()
    };
    let method = text(root, "method");
    let mut operation = Canonical::default();
    operation.string(&method);
    match method.as_str() {
        "tools/call" | "prompts/get" => {
            operation.string(&text(params, "name"));
            match params.and_then(|params| params.get("arguments")) {
                Some(arguments) => operation.value(arguments),
                None => operation.null(),
            }
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            operation.string(&text(params, "uri"))
        }
        _ => {}
    }
    operation.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_what_the_method_has() {
        for (text, form) in [
            (
                r#"{"method":"tools/call","params":{"name":"a","uri":"b","arguments":{"b":1}}}"#,
                "s10:tools/calls1:ao1:s1:bd3ff0000000000000",
            ),
            (r#"{"method":"prompts/get","params":{"name":"a"}}"#, "s11:prompts/gets1:an"),
            (r#"{"method":"resources/read","params":{"name":"a","uri":"b"}}"#, "s14:resources/reads1:b"),
            (r#"{"method":"ping","params":{"name":"a"}}"#, "s4:ping"),
            ("{}", "s0:"),
        ] {
            let found = of_document(&Document::parse(text.as_bytes()).unwrap());
            assert_eq!(String::from_utf8_lossy(&found), form, "{text}");
        }
    }
}
