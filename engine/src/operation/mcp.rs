//! MCP messages, as the versions from 2024-11-05 to 2026-07-28 have them.

use super::rpc::{Envelope, Refusal, RequestId};
use crate::json::Value;
use crate::reason::Reason;
use alloc::borrow::Cow;

/// A message that a client posted.
#[derive(Debug)]
pub(crate) enum Message<'d> {
    /// A request: it has an id and will be answered.
    Request { id: RequestId, method: Cow<'d, str>, call: Call<'d>, params: Option<Value<'d>> },
    /// A notification: no id, no answer.
    Notification { method: Cow<'d, str>, params: Option<Value<'d>> },
    /// A client's answer to a request of the server.
    Response,
}

/// What a request asks for, as far as rules tell it apart.
#[derive(Debug)]
pub(crate) enum Call<'d> {
    /// What every session needs and what carries no authority.
    Housekeeping,
    /// A list of what a feature offers.
    List(Feature),
    /// A tool call. The name may be any string here; only names that SEP-986 allows are ever granted.
    Tool { name: Cow<'d, str>, arguments: Option<Value<'d>> },
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

/// The members of `params` that rules depend on.
const PARAMS: [&str; 4] = ["name", "arguments", "uri", "_meta"];

impl<'d> Message<'d> {
    /// Reads one message.
    pub(crate) fn read(root: Value<'d>) -> Result<Self, Refusal> {
        let refuse = |id: &RequestId| {
            let id = id.clone();
            move |reason| Refusal { reason, id: Some(id) }
        };
        match Envelope::read(root, &PARAMS)? {
            Envelope::Response => Ok(Self::Response),
            // Only notifications go without an id: a call without one would run and never be answered for.
            Envelope::Notification { method, params } if method.starts_with("notifications/") => {
                Ok(Self::Notification { method, params })
            }
            Envelope::Notification { .. } => Err(Refusal { reason: Reason::RequestMalformed, id: None }),
            Envelope::Request { id, method, params } => {
                let call = Call::read(&method, params).map_err(refuse(&id))?;
                Ok(Self::Request { id, method, call, params })
            }
        }
    }

    /// The method, where the message has one.
    pub(crate) fn method(&self) -> Option<&str> {
        match self {
            Self::Request { method, .. } | Self::Notification { method, .. } => Some(method),
            Self::Response => None,
        }
    }

    /// The parameters, where the message has any.
    pub(crate) fn params(&self) -> Option<Value<'d>> {
        match self {
            Self::Request { params, .. } | Self::Notification { params, .. } => *params,
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
    /// What it asks for a list of.
    pub(crate) fn list(&self) -> Option<Feature> {
        match self {
            Self::List(feature) => Some(*feature),
            _ => None,
        }
    }

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
            "tools/call" => Self::Tool {
                name: text("name")?,
                arguments: params.and_then(|params| params.get("arguments")),
            },
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

/// Refuses a URI that a server could resolve to another than the one that rules compare.
fn checked_uri(uri: Cow<'_, str>) -> Result<Cow<'_, str>, Reason> {
    match uri.contains(':') {
        false => Err(Reason::RequestMalformed),
        true if is_plain_uri(&uri) => Ok(uri),
        true => Err(Reason::RequestAmbiguous),
    }
}

/// Whether there is no other spelling of a URI (RFC 3986 section 6.2.2). Resources by any other are refused.
pub fn is_plain_uri(uri: &str) -> bool {
    let plain = uri.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'%' | b'#'));
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let lower = |text: &str| !text.bytes().any(|b| b.is_ascii_uppercase());
    let dots = rest.split('/').any(|segment| matches!(segment, "." | ".."));
    let hierarchical = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            is_plain_authority(scheme, authority)
                && lower(authority)
                && !path.contains("//")
                && !path.starts_with('/')
        }
        // `file:/x` is `file:///x`, and so for the web's schemes.
        None => !matches!(scheme, "file" | "ftp" | "http" | "https" | "ws" | "wss") && !rest.contains("//"),
    };
    plain && !scheme.is_empty() && lower(scheme) && !dots && hierarchical
}

/// Whether an authority has no user, no trailing dot and no port that could as well be left out; that of a file is empty.
fn is_plain_authority(scheme: &str, authority: &str) -> bool {
    let default_port = match scheme {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        "ftp" => ":21",
        "file" => return authority.is_empty(),
        _ => ":",
    };
    let host = authority.split(':').next().unwrap_or_default();
    !authority.contains('@')
        && !authority.ends_with(default_port)
        && !authority.ends_with(':')
        && !host.ends_with('.')
}
