//! Refusals in the caller's own protocol.

use crate::json::write_string;
use crate::operation::RequestId;
use crate::policy::LlmApi;
use crate::reason::Reason;
use alloc::format;
use alloc::string::String;

/// A response that the gate gives instead of the upstream's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// The HTTP status. Where `grpc_status` is given the host answers with 200 and trailers, as gRPC does.
    pub status: u16,
    /// The value of Content-Type.
    pub content_type: &'static str,
    /// The body; of a gRPC answer, its message.
    pub body: String,
    /// The gRPC status, where the caller speaks gRPC.
    pub grpc_status: Option<u8>,
}

/// How the caller expects to be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// A JSON object.
    Http,
    /// A JSON-RPC error, with the request's id where it could be read. The status says no as well: MCP's streamable HTTP answers
    /// input that it cannot accept with an HTTP error whose body may be a JSON-RPC error.
    Rpc(Option<&'a RequestId>),
    /// A gRPC status.
    Grpc,
    /// The error object of a model's API.
    Llm(LlmApi),
}

impl Reply {
    pub(crate) fn refuse(reason: &Reason, shape: Shape<'_>) -> Self {
        let body = match shape {
            Shape::Http => http_body(reason),
            Shape::Rpc(id) => rpc_body(reason, id),
            Shape::Grpc => sentence(reason),
            Shape::Llm(api) => llm_body(reason, api),
        };
        let grpc_status = matches!(shape, Shape::Grpc).then(|| grpc_status(reason));
        Self { status: reason.status(), content_type: "application/json", body, grpc_status }
    }

    /// The HTTP status that the caller receives.
    pub fn received_status(&self) -> u16 {
        if self.grpc_status.is_some() { 200 } else { self.status }
    }
}

fn http_body(reason: &Reason) -> String {
    object(&[("error", reason.title()), ("reason", &reason.code()), ("message", reason.help())])
}

fn rpc_body(reason: &Reason, id: Option<&RequestId>) -> String {
    let id = id.map_or("null", RequestId::as_json);
    let mut message = String::new();
    write_string(&mut message, &sentence(reason));
    let data = object(&[("reason", &reason.code())]);
    let code = rpc_code(reason);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{message},"data":{data}}}}}"#)
}

/// OpenAI's and Anthropic's clients each show the message of their own error object.
fn llm_body(reason: &Reason, api: LlmApi) -> String {
    let (message, code) = (sentence(reason), reason.code());
    match api {
        LlmApi::Messages => {
            let error = object(&[("type", "permission_error"), ("message", &message)]);
            format!(r#"{{"type":"error","error":{error},"reason":"{code}"}}"#)
        }
        LlmApi::Chat | LlmApi::Responses | LlmApi::Embeddings | LlmApi::Models => {
            let error = object(&[("message", &message), ("type", "policy_violation"), ("code", &code)]);
            format!(r#"{{"error":{error},"reason":"{code}"}}"#)
        }
    }
}

fn sentence(reason: &Reason) -> String {
    format!("{} ({}): {}", reason.title(), reason.code(), reason.help())
}

fn object(members: &[(&str, &str)]) -> String {
    let mut out = String::from("{");
    for (key, value) in members {
        if out.len() > 1 {
            out.push(',');
        }
        write_string(&mut out, key);
        out.push(':');
        write_string(&mut out, value);
    }
    out.push('}');
    out
}

/// JSON-RPC 2.0 section 5.1; MCP 2026-07-28 names -32020 HeaderMismatch and leaves -32000 to -32019 to implementations.
fn rpc_code(reason: &Reason) -> i32 {
    match reason {
        Reason::RequestMismatch => -32020,
        Reason::RequestMalformed | Reason::RequestAmbiguous | Reason::RequestUnsupported => -32600,
        _ => -32001,
    }
}

/// gRPC status codes: UNAUTHENTICATED, RESOURCE_EXHAUSTED, INVALID_ARGUMENT, UNAVAILABLE, PERMISSION_DENIED.
fn grpc_status(reason: &Reason) -> u8 {
    match reason {
        Reason::IdentityAbsent => 16,
        Reason::RequestTooLarge | Reason::ResponseTooLarge | Reason::LimitRate => 8,
        Reason::RequestMalformed | Reason::RequestAmbiguous | Reason::RequestEncoding => 3,
        Reason::PolicyAbsent | Reason::PolicyStale | Reason::AuditUnavailable | Reason::Internal => 14,
        _ => 7,
    }
}
