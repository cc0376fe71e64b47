//! The headers by which MCP 2026-07-28 repeats in a request's head what its body asks for.
//!
//! A server, or a proxy, may route on them, so they must say what the body says, or the request is refused (error -32020).

use super::mcp::{Call, Message};
use crate::http::Head;
use crate::json::Value;
use crate::reason::Reason;
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The first version of MCP whose requests must carry `Mcp-Method` and `Mcp-Name`. Versions are dates and compare as text.
const FIRST_WITH_HEADERS: &str = "2026-07-28";
/// Where a request of that version states its own version.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// What a request's head says of its MCP body.
#[derive(Debug, Default)]
pub(crate) struct McpHeaders {
    version: Option<String>,
    method: Option<String>,
    name: Option<String>,
}

impl McpHeaders {
    pub(crate) fn read(head: &Head<'_>) -> Result<Self, Reason> {
        let text = |name: &str| match head.only(name) {
            Ok(None) => Ok(None),
            Ok(Some(value)) => decode(value).map(Some).ok_or(Reason::RequestMismatch),
            Err(_) => Err(Reason::RequestMismatch),
        };
        Ok(Self {
            version: head
                .only("mcp-protocol-version")?
                .map(|value| {
                    core::str::from_utf8(value).map(ToString::to_string).map_err(|_| Reason::RequestMalformed)
                })
                .transpose()?,
            method: text("mcp-method")?,
            name: text("mcp-name")?,
        })
    }

    /// Compares the head with the body. What the head leaves out is required of versions that know these headers.
    pub(crate) fn check(&self, message: &Message<'_>, params: Option<Value<'_>>) -> Result<(), Reason> {
        let required = self.version.as_deref().is_some_and(|version| version >= FIRST_WITH_HEADERS);
        let stated = params.and_then(|params| params.get("_meta")).and_then(|meta| meta.get(META_VERSION));
        if let Some(stated) = stated.and_then(|version| version.as_str()) {
            agree(self.version.as_deref(), Some(&stated), required || *stated >= *FIRST_WITH_HEADERS)?;
        }
        let Message::Request { call, .. } = message else {
            return agree(self.method.as_deref(), message.method(), required && message.method().is_some());
        };
        agree(self.method.as_deref(), message.method(), required)?;
        agree(self.name.as_deref(), call.target(), required)
    }
}

/// `required` asks that the head repeats what the body says; without it, only what the head does say is compared.
fn agree(head: Option<&str>, body: Option<&str>, required: bool) -> Result<(), Reason> {
    match (head, body) {
        (Some(head), Some(body)) if head == body => Ok(()),
        (None, None) => Ok(()),
        (None, Some(_)) if !required => Ok(()),
        _ => Err(Reason::RequestMismatch),
    }
}

/// Header values that are not plain ASCII travel as `=?base64?…?=`, the marks in this case only.
fn decode(value: &[u8]) -> Option<String> {
    let bytes = match value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?=")) {
        Some(encoded) => Cow::Owned(STANDARD.decode(encoded).ok()?),
        None => Cow::Borrowed(value),
    };
    core::str::from_utf8(&bytes).ok().map(ToString::to_string)
}

impl Call<'_> {
    /// What `Mcp-Name` repeats: a tool's or prompt's name, or the URI that is read.
    fn target(&self) -> Option<&str> {
        match self {
            Self::Tool { name } | Self::Prompt { name } => Some(name),
            Self::Resource { uri, named: true } => Some(uri),
            Self::Resource { named: false, .. } | Self::Housekeeping | Self::List(_) | Self::Other => None,
        }
    }
}
