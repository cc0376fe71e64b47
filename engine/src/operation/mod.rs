//! What a request asks for, read from its protocol.

mod headers;
mod mcp;

pub(crate) use headers::McpHeaders;
pub(crate) use mcp::{Call, Feature, Message, RequestId};
