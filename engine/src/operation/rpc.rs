//! The envelope of JSON-RPC 2.0, as MCP and A2A use it.

use crate::fold::could_be;
use crate::json::{Kind, Value};
use crate::reason::Reason;
use alloc::borrow::Cow;
use alloc::boxed::Box;

/// The members of a message.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// A request's id as it stood in the body; a string or an integer.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Box<str>);

/// Why a body is no message, and the id to answer with, where one could be read.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) id: Option<RequestId>,
}

/// A message.
#[derive(Debug)]
pub(crate) enum Envelope<'d> {
    /// With an id, and to be answered.
    Request { id: RequestId, method: Cow<'d, str>, params: Option<Value<'d>> },
    /// Without an id.
    Notification { method: Cow<'d, str>, params: Option<Value<'d>> },
    /// An answer to a request of the other side.
    Response,
}

impl RequestId {
    /// The id as JSON.
    pub(crate) fn as_json(&self) -> &str {
        &self.0
    }

    fn read(value: Value<'_>) -> Option<Self> {
        let integer = || value.raw().bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let fits = value.kind() == Kind::String || (value.kind() == Kind::Number && integer());
        fits.then(|| Self(value.raw().into()))
    }
}

impl<'d> Envelope<'d> {
    /// Reads a message; `params` must be an object, whose members `known` may not stand in another case.
    pub(crate) fn read(root: Value<'d>, known: &[&str]) -> Result<Self, Refusal> {
        let id = root.get("id").and_then(RequestId::read);
        Self::read_members(root, id.as_ref(), known).map_err(|reason| Refusal { reason, id })
    }

    fn read_members(root: Value<'d>, id: Option<&RequestId>, known: &[&str]) -> Result<Self, Reason> {
        refuse_look_alikes(root, &MEMBERS)?;
        if root.get("jsonrpc").and_then(|version| version.as_str()).as_deref() != Some("2.0") {
            return Err(Reason::RequestMalformed);
        }
        let answers = root.get("result").is_some() || root.get("error").is_some();
        let params = root.get("params");
        let Some(method) = root.get("method") else {
            let one = root.get("result").is_some() != root.get("error").is_some();
            let whole = one && id.is_some() && params.is_none();
            return if whole { Ok(Self::Response) } else { Err(Reason::RequestMalformed) };
        };
        let method = method.as_str().filter(|_| !answers).ok_or(Reason::RequestMalformed)?;
        if let Some(params) = params {
            refuse_look_alikes(params, known)?;
        }
        match (root.get("id").is_some(), id) {
            (true, None) => Err(Reason::RequestMalformed),
            (true, Some(id)) => Ok(Self::Request { id: id.clone(), method, params }),
            (false, _) => Ok(Self::Notification { method, params }),
        }
    }
}

/// Refuses what is no object, and a member that differs only by case from one that is read here: some servers fold case.
pub(super) fn refuse_look_alikes(object: Value<'_>, known: &[&str]) -> Result<(), Reason> {
    if object.kind() != Kind::Object {
        return Err(Reason::RequestMalformed);
    }
    let look_alike = |key: &str| known.iter().any(|name| key != *name && could_be(key, name));
    if object.entries().any(|(key, _)| look_alike(&key)) { Err(Reason::RequestAmbiguous) } else { Ok(()) }
}
