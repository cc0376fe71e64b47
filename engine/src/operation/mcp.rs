//! MCP messages: JSON-RPC 2.0 as the versions from 2024-11-05 to 2026-07-28 use it.

use crate::json::{Kind, Value};
use crate::reason::Reason;
use alloc::borrow::Cow;
use alloc::string::{String, ToString};

/// A message that a client posted.
#[derive(Debug)]
pub(crate) enum Message<'d> {
    /// A request: it has an id and will be answered.
    Request { id: RequestId, method: Cow<'d, str>, call: Call<'d> },
    /// A notification: no id, no answer.
    Notification { method: Cow<'d, str> },
    /// A client's answer to a request of the server.
    Response,
}

/// What a request asks for, as far as rules tell it apart.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Call<'d> {
    /// What every session needs and what carries no authority.
    Housekeeping,
    /// A list of what a feature offers.
    List(Feature),
    /// A tool call. The name may be any string here; only names that SEP-986 allows are ever granted.
    Tool { name: Cow<'d, str> },
    /// Reading, subscribing to or unsubscribing from a resource. `named` where `Mcp-Name` repeats the URI.
    Resource { uri: Cow<'d, str>, named: bool },
    /// Getting a prompt.
    Prompt { name: Cow<'d, str> },
    /// Any other method, known by its name only.
    Other,
}

/// A feature whose offers can be listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Feature {
    Prompts,
    Resources,
    Tools,
}

/// A request's id as it stood in the body; a string or an integer.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(String);

/// Why a body is no message, and the id to answer with, where one could be read.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) id: Option<RequestId>,
}

/// The members of a JSON-RPC message.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
/// The members of `params` that rules depend on.
const PARAMS: [&str; 4] = ["name", "arguments", "uri", "_meta"];

impl RequestId {
    /// The id as JSON.
    pub(crate) fn as_json(&self) -> &str {
        &self.0
    }

    fn read(value: Value<'_>) -> Option<Self> {
        let integer = || value.raw().bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let fits = value.kind() == Kind::String || (value.kind() == Kind::Number && integer());
        fits.then(|| Self(value.raw().to_string()))
    }
}

impl<'d> Message<'d> {
    /// Reads a body. A batch is refused: no version since 2025-06-18 has them.
    pub(crate) fn read(root: Value<'d>) -> Result<(Self, Option<Value<'d>>), Refusal> {
        let id = root.get("id").and_then(RequestId::read);
        Self::read_envelope(root, id.as_ref()).map_err(|reason| Refusal { reason, id })
    }

    fn read_envelope(root: Value<'d>, id: Option<&RequestId>) -> Result<(Self, Option<Value<'d>>), Reason> {
        if root.kind() == Kind::Array {
            return Err(Reason::RequestUnsupported);
        }
        refuse_look_alikes(root, &ENVELOPE)?;
        if root.get("jsonrpc").and_then(|version| version.as_str()).as_deref() != Some("2.0") {
            return Err(Reason::RequestMalformed);
        }
        let answers = root.get("result").is_some() || root.get("error").is_some();
        let Some(method) = root.get("method") else {
            let whole = answers && id.is_some() && root.get("params").is_none();
            return if whole { Ok((Self::Response, None)) } else { Err(Reason::RequestMalformed) };
        };
        let method = method.as_str().filter(|_| !answers).ok_or(Reason::RequestMalformed)?;
        let params = root.get("params");
        if let Some(params) = params {
            if params.kind() != Kind::Object {
                return Err(Reason::RequestMalformed);
            }
            refuse_look_alikes(params, &PARAMS)?;
        }
        let message = match (root.get("id").is_some(), id) {
            (true, None) => return Err(Reason::RequestMalformed),
            (true, Some(id)) => {
                let call = Call::read(&method, params)?;
                Self::Request { id: id.clone(), method, call }
            }
            // Only notifications go without an id: a call without one would run and never be answered for.
            (false, _) if method.starts_with("notifications/") => Self::Notification { method },
            (false, _) => return Err(Reason::RequestMalformed),
        };
        Ok((message, params))
    }

    /// The method, where the message has one.
    pub(crate) fn method(&self) -> Option<&str> {
        match self {
            Self::Request { method, .. } | Self::Notification { method } => Some(method),
            Self::Response => None,
        }
    }

    /// The id to answer with.
    pub(crate) fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Request { id, .. } => Some(id),
            Self::Notification { .. } | Self::Response => None,
        }
    }
}

impl<'d> Call<'d> {
    fn read(method: &str, params: Option<Value<'d>>) -> Result<Self, Reason> {
        let text = |key: &str| {
            let value = params.and_then(|params| params.get(key));
            value.and_then(|value| value.as_str()).ok_or(Reason::RequestMalformed)
        };
        Ok(match method {
            "initialize" | "ping" | "server/discover" => Self::Housekeeping,
            "tools/list" => Self::List(Feature::Tools),
            "resources/list" | "resources/templates/list" => Self::List(Feature::Resources),
            "prompts/list" => Self::List(Feature::Prompts),
            "tools/call" => Self::Tool { name: text("name")? },
            "resources/read" => Self::Resource { uri: checked_uri(text("uri")?)?, named: true },
            "resources/subscribe" | "resources/unsubscribe" => {
                Self::Resource { uri: checked_uri(text("uri")?)?, named: false }
            }
            "prompts/get" => Self::Prompt { name: text("name")? },
            _ if method.starts_with("notifications/") => return Err(Reason::RequestMalformed),
            _ => Self::Other,
        })
    }
}

/// Refuses a member that differs only by case from one that is read here: some servers fold case.
fn refuse_look_alikes(object: Value<'_>, known: &[&str]) -> Result<(), Reason> {
    if object.kind() != Kind::Object {
        return Err(Reason::RequestMalformed);
    }
    let look_alike = |key: &str| known.iter().any(|name| key != *name && key.eq_ignore_ascii_case(name));
    if object.entries().any(|(key, _)| look_alike(&key)) { Err(Reason::RequestAmbiguous) } else { Ok(()) }
}

/// Refuses a URI that a server could resolve to another than the one that rules compare (RFC 3986 section 6.2.2).
fn checked_uri(uri: Cow<'_, str>) -> Result<Cow<'_, str>, Reason> {
    let plain = uri.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'%' | b'#'));
    let (scheme, rest) = uri.split_once(':').ok_or(Reason::RequestMalformed)?;
    let lower = !scheme.is_empty() && !scheme.bytes().any(|b| b.is_ascii_uppercase());
    let dots = rest.split('/').any(|segment| matches!(segment, "." | ".."));
    if plain && lower && !dots { Ok(uri) } else { Err(Reason::RequestAmbiguous) }
}
