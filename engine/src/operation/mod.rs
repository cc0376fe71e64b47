//! What a request asks for, read from its protocol.

mod a2a;
mod headers;
mod llm;
mod mcp;
mod rpc;

pub(crate) use a2a::{A2aCall, Endpoint};
pub(crate) use headers::McpHeaders;
pub(crate) use llm::{LlmCall, api_of};
pub use mcp::is_plain_uri;
pub(crate) use mcp::{Call, Feature, Message};
pub(crate) use rpc::{Refusal, RequestId};
