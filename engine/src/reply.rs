//! Refusals in the caller's own protocol.

use crate::json::write_string;
use crate::operation::RequestId;
use crate::reason::Reason;
use alloc::string::String;

/// A response that the gate gives instead of the upstream's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The value of Content-Type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// How the caller expects to be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// A JSON object.
    Http,
    /// A JSON-RPC error, with the request's id where it could be read. The status says no as well: MCP's streamable HTTP answers
    /// input that it cannot accept with an HTTP error whose body may be a JSON-RPC error.
    Mcp(Option<&'a RequestId>),
}

impl Reply {
    pub(crate) fn refuse(reason: &Reason, shape: Shape<'_>) -> Self {
        let body = match shape {
            Shape::Http => http_body(reason),
            Shape::Mcp(id) => mcp_body(reason, id),
        };
        Self { status: reason.status(), content_type: "application/json", body }
    }
}

fn http_body(reason: &Reason) -> String {
    let mut body = String::from("{\"error\":");
    write_string(&mut body, reason.title());
    body.push_str(",\"reason\":");
    write_string(&mut body, &reason.code());
    body.push_str(",\"message\":");
    write_string(&mut body, reason.help());
    body.push('}');
    body
}

fn mcp_body(reason: &Reason, id: Option<&RequestId>) -> String {
    let mut body = String::from("{\"jsonrpc\":\"2.0\",\"id\":");
    body.push_str(id.map_or("null", RequestId::as_json));
    body.push_str(",\"error\":{\"code\":");
    body.push_str(rpc_code(reason));
    body.push_str(",\"message\":");
    let mut message = String::from(reason.title());
    message.push_str(" (");
    message.push_str(&reason.code());
    message.push_str("): ");
    message.push_str(reason.help());
    write_string(&mut body, &message);
    body.push_str(",\"data\":{\"reason\":");
    write_string(&mut body, &reason.code());
    body.push_str("}}}");
    body
}

/// JSON-RPC 2.0 section 5.1; MCP 2026-07-28 names -32020 HeaderMismatch and leaves -32000 to -32019 to implementations.
fn rpc_code(reason: &Reason) -> &'static str {
    match reason {
        Reason::RequestMismatch => "-32020",
        Reason::RequestMalformed | Reason::RequestAmbiguous | Reason::RequestUnsupported => "-32600",
        _ => "-32001",
    }
}
