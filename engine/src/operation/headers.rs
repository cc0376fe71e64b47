//! The headers by which MCP 2026-07-28 repeats in a request's head what its body asks for.
//!
//! A server, or a proxy, may route on them, so they must say what the body says, or the request is refused (error -32020).

use super::mcp::{Call, Message};
use crate::http::Head;
use crate::json::{Kind, Value};
use crate::reason::Reason;
use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The first version of MCP whose requests must carry `Mcp-Method` and `Mcp-Name`. Versions are dates and compare as text.
const FIRST_WITH_HEADERS: &str = "2026-07-28";
/// Where a request of that version states its own version.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The last version of MCP that had batches was the one that a request without a version is taken for.
const LAST_WITH_BATCHES: &str = "2025-03-26";

/// What a request's head says of its MCP body.
#[derive(Debug, Default)]
pub(crate) struct McpHeaders {
    version: Option<String>,
    method: Option<String>,
    name: Option<String>,
    /// The `Mcp-Param-*`, by the rest of their name, which repeat arguments.
    params: Vec<(String, String)>,
}

impl McpHeaders {
    pub(crate) fn read(head: &Head<'_>) -> Result<Self, Reason> {
        let text = |name: &str| match head.only(name) {
            Ok(None) => Ok(None),
            Ok(Some(value)) => decode(value).map(Some).ok_or(Reason::RequestMismatch),
            Err(_) => Err(Reason::RequestMismatch),
        };
        let version = head.only("mcp-protocol-version").map_err(|_| Reason::RequestMismatch)?;
        let version = version.map(|value| core::str::from_utf8(value).map(ToString::to_string));
        if version.as_ref().is_some_and(|version| !version.as_ref().is_ok_and(|version| is_version(version)))
        {
            return Err(Reason::RequestMalformed);
        }
        // A server that reads `_` and `-` alike would see a header that was not compared.
        if head.has_misspelt("mcp-") {
            return Err(Reason::RequestMismatch);
        }
        let params = head.all_with_prefix("mcp-param-").map(|(name, value)| -> Result<_, Reason> {
            let name = core::str::from_utf8(name).map_err(|_| Reason::RequestMismatch)?;
            Ok((name.to_string(), decode(value).ok_or(Reason::RequestMismatch)?))
        });
        Ok(Self {
            version: version.transpose().map_err(|_| Reason::RequestMalformed)?,
            method: text("mcp-method")?,
            name: text("mcp-name")?,
            params: params.collect::<Result<_, _>>()?,
        })
    }

    /// Whether the version that the head states, or the one that its absence stands for, has batches.
    pub(crate) fn has_batches(&self) -> bool {
        self.version.as_deref().is_none_or(|version| version <= LAST_WITH_BATCHES)
    }

    /// Compares the head with the body. What the head leaves out is required of versions that know these headers.
    pub(crate) fn check(&self, message: &Message<'_>) -> Result<(), Reason> {
        let mut required = self.version.as_deref().is_some_and(|version| version >= FIRST_WITH_HEADERS);
        let meta = message.params().and_then(|params| params.get("_meta"));
        if let Some(stated) = meta.and_then(|meta| meta.get(META_VERSION)) {
            let stated = stated.as_str().ok_or(Reason::RequestMalformed)?;
            required |= *stated >= *FIRST_WITH_HEADERS;
            agree(self.version.as_deref(), Some(&stated), required)?;
        }
        agree(self.method.as_deref(), message.method(), required)?;
        // Clients of that version have nothing to answer: servers ask within their results.
        if required && matches!(message, Message::Response) {
            return Err(Reason::RequestMalformed);
        }
        let Message::Request { call, .. } = message else { return agree(self.name.as_deref(), None, false) };
        agree(self.name.as_deref(), call.target(), required)?;
        self.check_params(call)
    }

    /// Which argument an `Mcp-Param-*` repeats is written in the tool's schema, which is not at hand. If an argument has the header's
    /// name, it is that one; else, one that no argument agrees with is certainly wrong.
    fn check_params(&self, call: &Call<'_>) -> Result<(), Reason> {
        if self.params.is_empty() {
            return Ok(());
        }
        let Call::Tool { arguments: Some(arguments), .. } = call else { return Err(Reason::RequestMismatch) };
        let mut values = Vec::new();
        collect_values("", *arguments, &mut values);
        let repeated = |(name, param): &(String, String)| {
            let mut named = values.iter().filter(|(key, _)| is_spelt_alike(key, name)).peekable();
            match named.peek() {
                Some(_) => named.any(|(_, value)| value == param),
                None => values.iter().any(|(_, value)| value == param),
            }
        };
        if self.params.iter().all(repeated) { Ok(()) } else { Err(Reason::RequestMismatch) }
    }
}

/// Whether a version is a date, as all of them are.
fn is_version(version: &str) -> bool {
    let digit_or_dash =
        |(at, b): (usize, u8)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() };
    version.len() == 10 && version.bytes().enumerate().all(digit_or_dash)
}

/// Whether a header's name stands for an argument's, whatever stands between the words.
fn is_spelt_alike(key: &str, header: &str) -> bool {
    let letters = |text: &'_ str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    !key.is_empty() && letters(key) == letters(header)
}

/// The texts, numbers and booleans within a value, as a header would write them, with the key that each stands under.
fn collect_values<'d>(key: &str, value: Value<'d>, values: &mut Vec<(String, Cow<'d, str>)>) {
    match value.kind() {
        Kind::Object => value.entries().for_each(|(key, member)| collect_values(&key, member, values)),
        Kind::Array => value.items().for_each(|item| collect_values(key, item, values)),
        Kind::String => values.extend(value.as_str().map(|text| (key.to_string(), text))),
        Kind::Null | Kind::Bool(_) | Kind::Number | Kind::OpaqueNumber => {
            values.push((key.to_string(), Cow::Borrowed(value.raw())))
        }
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
            Self::Tool { name, .. } | Self::Prompt { name } => Some(name),
            Self::Resource { uri, named: true } => Some(uri),
            Self::Resource { named: false, .. } | Self::Housekeeping | Self::List(_) | Self::Other => None,
        }
    }
}
