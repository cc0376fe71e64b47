//! The part of the judgement that takes a request's body.

use super::method::{is_method_key, overrides_method};
use super::{Exchange, Expected, Pending, Refused, State, Step};
use crate::decide::{Asked, Decision, decide, is_tool_name};
use crate::http::{Part, parts};
use crate::json::{Document, Fault, JsonError, Kind, Value};
use crate::operation::{A2aCall, Call, LlmCall, McpHeaders, Message, Refusal, RequestId};
use crate::policy::{A2aMethod, LlmApi, Policy};
use crate::reason::Reason;
use crate::reply::Shape;
use crate::scan::apply;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The most elements of a JSON-RPC batch.
const MAX_BATCH: usize = 64;

impl From<JsonError> for Reason {
    fn from(error: JsonError) -> Self {
        match error.fault {
            Fault::ByteOrderMark | Fault::NotUtf8 => Self::RequestEncoding,
            Fault::DuplicateKey
            | Fault::Noncharacter
            | Fault::NulInKey
            | Fault::Number
            | Fault::Surrogate => Self::RequestAmbiguous,
            Fault::TooDeep | Fault::TooMany => Self::RequestTooLarge,
            Fault::ControlCharacter | Fault::Escape | Fault::Syntax | Fault::Trailing => {
                Self::RequestMalformed
            }
        }
    }
}

/// A refusal that still knows which id to answer with.
struct Answered {
    refused: Refused<'static>,
    id: Option<RequestId>,
}

impl From<Reason> for Answered {
    fn from(reason: Reason) -> Self {
        Self { refused: reason.into(), id: None }
    }
}

impl From<Refusal> for Answered {
    fn from(refusal: Refusal) -> Self {
        Self { refused: refusal.reason.into(), id: refusal.id }
    }
}

/// What the judgement of a body goes by.
struct Case<'p> {
    policy: &'p Policy,
    pending: &'p Pending,
}

impl Case<'_> {
    fn parse<'b>(&self, body: &'b [u8]) -> Result<Document<'b>, Reason> {
        Ok(Document::parse_with(body, self.pending.numbers)?)
    }
}

impl Exchange {
    /// Judges a whole body. The state is `Refused` until this says otherwise.
    pub(super) fn judge_body(&mut self, pending: Pending, body: &[u8]) -> Step {
        let Some(policy) = self.policy.clone() else { return self.fail() };
        let case = Case { policy: &policy, pending: &pending };
        let outcome = self.decode(&pending, body).and_then(|decoded| {
            self.judge_decoded(&case, &decoded)?;
            Ok(decoded)
        });
        match outcome {
            Ok(decoded) => {
                self.state = State::Forwarded;
                let edits = core::mem::take(&mut self.edits);
                match decoded {
                    _ if self.observes => Step::Forward,
                    decoded if !edits.is_empty() => {
                        self.record.redacted = true;
                        Step::Replace(apply(&decoded, &edits))
                    }
                    Cow::Owned(decoded) => Step::Replace(decoded),
                    Cow::Borrowed(_) => Step::Forward,
                }
            }
            Err(Answered { refused, id }) => {
                let shape = match pending.body.shape() {
                    Shape::Rpc(_) => Shape::Rpc(id.as_ref()),
                    shape => shape,
                };
                self.refuse(Refused { shape, ..refused })
            }
        }
    }

    fn decode<'b>(&self, pending: &Pending, body: &'b [u8]) -> Result<Cow<'b, [u8]>, Answered> {
        match pending.coding {
            Some(coding) if !body.is_empty() => {
                let most = self.policy.as_ref().map_or(0, |policy| policy.parts().limits.max_body_bytes);
                Ok(Cow::Owned(coding.decode(body, usize::try_from(most).unwrap_or(0))?))
            }
            _ => Ok(Cow::Borrowed(body)),
        }
    }

    fn judge_decoded(&mut self, case: &Case<'_>, body: &[u8]) -> Result<(), Answered> {
        match &case.pending.body {
            Expected::Mcp { headers, batches } => self.judge_mcp_body(case, headers, *batches, body),
            Expected::A2aRpc => self.judge_a2a_rpc(case, body),
            Expected::A2aRest(method) => self.judge_a2a_rest(case, *method, body),
            Expected::A2aOpaque(method) => {
                self.scan_grpc(case.policy, case.pending, body)?;
                self.judge_a2a_call(case, &A2aCall { method: *method, push_urls: [].into() })
            }
            Expected::Llm(api) => self.judge_llm_body(case, *api, body),
            Expected::Grpc => Ok(self.scan_grpc(case.policy, case.pending, body)?),
            Expected::Opaque => Ok(()),
            Expected::Json
            | Expected::Form { .. }
            | Expected::Parts { .. }
            | Expected::Text { .. }
            | Expected::Untyped { .. }
            | Expected::Empty
                if body.is_empty() =>
            {
                Ok(())
            }
            Expected::Json => self.judge_json(case, body),
            Expected::Untyped { .. } if begins_like_json(body) => self.judge_json(case, body),
            Expected::Form { method } => {
                let text = core::str::from_utf8(body).map_err(|_| Reason::RequestEncoding)?;
                if overrides_method(text, method) {
                    return Err(Reason::RequestAmbiguous.into());
                }
                Ok(self.scan_form(case.policy, case.pending, text)?)
            }
            Expected::Parts { boundary, method, opaque } => {
                match judge_parts(body, boundary, method, *opaque) {
                    Ok(parts) => Ok(self.scan_parts(case.policy, case.pending, body.len(), &parts)?),
                    // What can be read of it is looked at.
                    Err(reason) if *opaque && reason != Reason::RequestAmbiguous => {
                        Ok(self.scan_text(case.policy, case.pending, body)?)
                    }
                    Err(reason) => Err(reason.into()),
                }
            }
            Expected::Text { method } | Expected::Untyped { method } => {
                let text = core::str::from_utf8(body).map_err(|_| Reason::RequestEncoding)?;
                if overrides_method(text, method) {
                    return Err(Reason::RequestAmbiguous.into());
                }
                Ok(self.scan_text(case.policy, case.pending, body)?)
            }
            Expected::Empty => Err(Reason::RequestUnsupported.into()),
        }
    }

    fn judge_json(&mut self, case: &Case<'_>, body: &[u8]) -> Result<(), Answered> {
        let document = case.parse(body)?;
        Ok(self.scan_document(case.policy, case.pending, &document)?)
    }

    fn judge_mcp_body(
        &mut self,
        case: &Case<'_>,
        headers: &McpHeaders,
        batches: bool,
        body: &[u8],
    ) -> Result<(), Answered> {
        let document = case.parse(body)?;
        let root = document.root().ok_or(Reason::Internal)?;
        let id = if root.kind() == Kind::Array {
            self.judge_batch(case, headers, batches, root)?;
            None
        } else {
            self.judge_message(case, headers, root)?
        };
        self.scan_document(case.policy, case.pending, &document)
            .map_err(|reason| Answered { refused: reason.into(), id })
    }

    /// Judges every element of a batch; the first refusal refuses them all.
    fn judge_batch(
        &mut self,
        case: &Case<'_>,
        headers: &McpHeaders,
        batches: bool,
        root: Value<'_>,
    ) -> Result<(), Answered> {
        let count = root.items().count();
        self.record.operation = Some(format!("mcp batch of {count}"));
        if !batches {
            return Err(Reason::RequestUnsupported.into());
        }
        if count == 0 || count > MAX_BATCH {
            return Err(Reason::RequestMalformed.into());
        }
        for element in root.items() {
            self.judge_message(case, headers, element)?;
        }
        self.record.operation = Some(format!("mcp batch of {count}"));
        self.memory.tool = None;
        Ok(())
    }

    /// Judges one message; the id to answer with, should what it carries be refused.
    fn judge_message(
        &mut self,
        case: &Case<'_>,
        headers: &McpHeaders,
        root: Value<'_>,
    ) -> Result<Option<RequestId>, Answered> {
        let message = Message::read(root)?;
        self.record.operation = Some(describe(case.policy, &message));
        let id =
            message.id().filter(|id| !case.policy.parts().catalogue.finds_anything(id.as_json())).cloned();
        self.memory.note_message(&message, id.clone());
        let refused = match headers.check(&message) {
            Ok(()) => self.ask_rules(case, Asked::Mcp(&message)).err(),
            Err(reason) => Some(reason.into()),
        };
        match refused {
            None => Ok(id),
            Some(refused) => Err(Answered { refused, id }),
        }
    }

    fn judge_a2a_rpc(&mut self, case: &Case<'_>, body: &[u8]) -> Result<(), Answered> {
        let document = case.parse(body)?;
        let (id, call) = A2aCall::read_rpc(document.root().ok_or(Reason::Internal)?)?;
        self.memory.note_call(id.clone());
        let judged = self
            .judge_a2a_call(case, &call)
            .and_then(|()| self.scan_document(case.policy, case.pending, &document).map_err(Answered::from));
        judged.map_err(|answered| Answered { id: Some(id), ..answered })
    }

    fn judge_a2a_rest(&mut self, case: &Case<'_>, method: A2aMethod, body: &[u8]) -> Result<(), Answered> {
        if body.is_empty() {
            return self.judge_a2a_call(case, &A2aCall::read_rest(method, None)?);
        }
        let document = case.parse(body)?;
        self.judge_a2a_call(case, &A2aCall::read_rest(method, document.root())?)?;
        Ok(self.scan_document(case.policy, case.pending, &document)?)
    }

    fn judge_a2a_call(&mut self, case: &Case<'_>, call: &A2aCall<'_>) -> Result<(), Answered> {
        self.record.operation = Some(format!("a2a {}", call.method.name()));
        self.ask_rules(case, Asked::A2a(call)).map_err(|refused| Answered { refused, id: None })
    }

    fn judge_llm_body(&mut self, case: &Case<'_>, api: LlmApi, body: &[u8]) -> Result<(), Answered> {
        let document = case.parse(body)?;
        let call = LlmCall::read(api, document.root().ok_or(Reason::Internal)?)?;
        self.record.operation = Some(format!("llm {} {}", api.name(), shown(case.policy, &call.model)));
        self.ask_rules(case, Asked::Llm(&call)).map_err(|refused| Answered { refused, id: None })?;
        Ok(self.scan_document(case.policy, case.pending, &document)?)
    }

    /// Asks the rules, and notes the one that allowed.
    fn ask_rules(&mut self, case: &Case<'_>, asked: Asked<'_>) -> Result<(), Refused<'static>> {
        match decide(case.policy, &*self.around, &case.pending.origin, asked) {
            Decision::Refuse(refusal) => self.refuse_or_note(refusal),
            Decision::Allow(rule) => {
                self.note_grant(*rule);
                Ok(())
            }
        }
    }
}

/// The parts of a body, if they can be read, and none of them says that the request is another.
fn judge_parts<'b>(
    body: &'b [u8],
    boundary: &str,
    method: &str,
    opaque: bool,
) -> Result<Vec<Part<'b>>, Reason> {
    let parts = parts(body, boundary)?;
    let other = |part: &Part<'_>| {
        is_method_key(part.name) && !part.content.0.trim_ascii().eq_ignore_ascii_case(method.as_bytes())
    };
    if parts.iter().any(other) {
        return Err(Reason::RequestAmbiguous);
    }
    if opaque || parts.iter().all(|part| part.is_text) { Ok(parts) } else { Err(Reason::RequestUnsupported) }
}

/// Whether a server that guesses would take a body for JSON.
pub(crate) fn begins_like_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'[' | 0xef))
}

/// A name for the record: it comes from the caller and can be anything, so it is shown only if it keeps to the form of a tool's name
/// and no detector finds something in it.
pub(super) fn shown<'n>(policy: &Policy, name: &'n str) -> &'n str {
    if is_tool_name(name) && !policy.parts().catalogue.finds_anything(name) { name } else { "(not shown)" }
}

/// The operation for the record.
fn describe(policy: &Policy, message: &Message<'_>) -> String {
    let shown = |name| shown(policy, name);
    match message {
        Message::Response => "mcp response".to_string(),
        Message::Notification { method, .. } => format!("mcp {}", shown(method)),
        Message::Request { method, call, .. } => match call {
            // Their methods are known.
            Call::Tool { name, .. } | Call::Prompt { name } => ["mcp ", method, " ", shown(name)].concat(),
            // A URI can carry anything; rules name the ones that are granted.
            Call::Resource { .. } | Call::Housekeeping | Call::List(_) | Call::Other => {
                format!("mcp {}", shown(method))
            }
        },
    }
}
