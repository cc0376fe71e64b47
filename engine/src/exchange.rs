//! One HTTP exchange: a state machine that is fed heads and bodies and answers with what to do.
//!
//! ```text
//!  Start ──request_head──► AwaitingBody ──request_body──► Forwarded
//!    └───────────────────────────┴──────────────────────► Refused
//! ```

mod body;
mod findings;
mod head;
mod method;
mod response;

pub(crate) use body::begins_like_json;
pub use response::Chunk;

use crate::decide::{Origin, Refusal, RuleName};
use crate::http::{Coding, Head};
use crate::identity::Peer;
use crate::json::Numbers;
use crate::operation::McpHeaders;
use crate::policy::{A2aMethod, Audit, LlmApi, Mode, Otherwise, Policy};
use crate::reason::Reason;
use crate::record::{Record, request_id, trace_id};
use crate::reply::{Reply, Shape};
use crate::response::Memory;
use crate::scan::Edit;
use crate::surroundings::Surroundings;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use response::Course;

/// Whether more of a message is to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// More may come: a body or trailers.
    More,
    /// Nothing comes after this.
    Last,
}

/// What to do with a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Let it go on.
    Forward,
    /// Keep what has come and wait for the rest.
    Hold,
    /// Let the head go on; each piece of the body is to be shown, and [`Chunk`] says what goes on for it.
    Stream,
    /// Let it go on with this body in the place of the one that came.
    Replace(Vec<u8>),
    /// Answer in the upstream's stead; nothing goes on.
    Reply(Reply),
}

/// A change to a head, to be made before it goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HeaderEdit {
    /// Take every header of this name out.
    Remove(String),
    /// Put this header in; there is none of its name.
    Add(&'static str, Arc<str>),
}

/// What to do with a head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeadStep {
    /// Changes, whatever the step: they hold for a head that goes on now or later.
    pub edits: Vec<HeaderEdit>,
    /// What to do.
    pub step: Step,
}

/// One exchange under one policy, from the request's head to the record.
#[derive(Debug)]
pub struct Exchange {
    /// Without a policy everything is refused: fail closed is a value, not a code path.
    policy: Option<Rc<Policy>>,
    around: Rc<dyn Surroundings>,
    /// Whether the gate or the agent only observes: then every refusal is noted, and the request goes on.
    observes: bool,
    state: State,
    /// What judging the response goes by.
    memory: Memory,
    /// How the response is judged.
    course: Course,
    /// Whether the response's head waits for its body.
    holds_heads: bool,
    /// What detectors ask to have replaced in the request's body.
    edits: Vec<Edit>,
    record: Record,
}

#[derive(Debug)]
enum State {
    Start,
    AwaitingBody(Pending),
    Forwarded,
    Refused,
}

/// A request whose head may pass and whose body is to be judged.
#[derive(Debug)]
struct Pending {
    origin: Rc<Origin>,
    body: Expected,
    /// How the body is coded; it is judged, and goes on, decoded.
    coding: Option<Coding>,
    /// How gRPC's messages in it are compressed. They go on as they are.
    messages: Option<Coding>,
    /// What becomes of numbers in it that parsers read differently.
    numbers: Numbers,
}

/// How a body will be read, and whether it decides.
#[derive(Debug)]
enum Expected {
    /// An MCP message, or a batch of them where the version has batches; it decides. The headers must agree with it.
    Mcp { headers: McpHeaders, batches: bool },
    /// An A2A request over JSON-RPC, which decides.
    A2aRpc,
    /// An A2A request over HTTP+JSON, which decides together with its path.
    A2aRest(A2aMethod),
    /// An A2A request over gRPC, whose path decides and whose body policy lets pass unread.
    A2aOpaque(A2aMethod),
    /// A request to a model, which decides.
    Llm(LlmApi),
    /// JSON on a route that is already granted.
    Json,
    /// A form (WHATWG URL section 5.1) on a route that is already granted, by this method.
    Form { method: String },
    /// Parts, on a route that is already granted, by this method. `opaque`: policy lets pass what cannot be read of them.
    Parts { boundary: String, method: String, opaque: bool },
    /// Text on a route that is already granted, by this method.
    Text { method: String },
    /// A body whose head does not say what it is, on a route that is already granted: JSON if it begins like JSON, else text.
    Untyped { method: String },
    /// Nothing that can be judged, so nothing at all.
    Empty,
    /// gRPC messages that policy lets pass without a reader; what is text in them is inspected.
    Grpc,
    /// Anything: policy lets it pass unread.
    Opaque,
}

impl Expected {
    /// The shape of a refusal before the body is read.
    fn shape(&self) -> Shape<'static> {
        match self {
            Self::Mcp { .. } | Self::A2aRpc => Shape::Rpc(None),
            Self::Llm(api) => Shape::Llm(*api),
            Self::A2aOpaque(_) | Self::Grpc => Shape::Grpc,
            Self::A2aRest(_)
            | Self::Json
            | Self::Form { .. }
            | Self::Parts { .. }
            | Self::Text { .. }
            | Self::Untyped { .. }
            | Self::Empty
            | Self::Opaque => Shape::Http,
        }
    }
}

/// A refusal on its way to becoming a reply and a record.
struct Refused<'a> {
    reason: Reason,
    rule: Option<Box<RuleName>>,
    shape: Shape<'a>,
}

impl From<Reason> for Refused<'_> {
    fn from(reason: Reason) -> Self {
        Self { reason, rule: None, shape: Shape::Http }
    }
}

impl Pending {
    /// Whether the head alone granted the request, so that the body does not decide, and goes on as it came.
    fn is_granted(&self) -> bool {
        let read = matches!(
            self.body,
            Expected::Json
                | Expected::Form { .. }
                | Expected::Parts { .. }
                | Expected::Text { .. }
                | Expected::Untyped { .. }
                | Expected::Grpc
                | Expected::Opaque
        );
        read && self.coding.is_none()
    }
}

impl Exchange {
    /// Begins an exchange. It stays with this policy to its end. Without a policy it refuses everything.
    pub fn new(policy: Option<Rc<Policy>>, around: Rc<dyn Surroundings>) -> Self {
        let mut exchange = Self {
            policy,
            around,
            observes: false,
            state: State::Start,
            memory: Memory::default(),
            course: Course::default(),
            holds_heads: false,
            edits: Vec::new(),
            record: Record::default(),
        };
        let mode = exchange.policy.as_ref().map(|policy| policy.parts().settings.mode);
        exchange.observe(mode.unwrap_or_default());
        exchange
    }

    /// Judges a request's head.
    pub fn request_head(&mut self, head: &Head<'_>, peer: &Peer<'_>, end: End) -> HeadStep {
        (self.record.trace, self.record.request_id) = (trace_id(head), request_id(head));
        match self.judge_head(head, peer, end) {
            Ok((edits, pending)) => {
                let step = match (pending, end) {
                    (None, _) => {
                        self.state = State::Forwarded;
                        Step::Forward
                    }
                    (Some(pending), End::More) => {
                        self.state = State::AwaitingBody(pending);
                        Step::Hold
                    }
                    (Some(pending), End::Last) => {
                        self.state = State::AwaitingBody(pending);
                        self.request_body(&[])
                    }
                };
                HeadStep { edits, step }
            }
            Err(refused) => {
                let step = self.refuse(refused);
                let passes = step == Step::Forward;
                HeadStep { edits: if passes { self.edits(head) } else { Vec::new() }, step }
            }
        }
    }

    /// Hears how much of the request's body has come while more is on its way.
    pub fn request_progress(&mut self, buffered: usize) -> Step {
        match &self.state {
            State::AwaitingBody(pending) if self.is_too_long(buffered) => {
                let (shape, granted) = (pending.body.shape(), pending.is_granted());
                self.record.request_bytes = u64::try_from(buffered).unwrap_or(u64::MAX);
                self.refuse_length(shape, granted)
            }
            State::AwaitingBody(_) => Step::Hold,
            State::Forwarded => Step::Forward,
            State::Start | State::Refused => self.refuse(Reason::Internal.into()),
        }
    }

    /// Judges the whole of a request's body.
    pub fn request_body(&mut self, body: &[u8]) -> Step {
        match core::mem::replace(&mut self.state, State::Refused) {
            State::AwaitingBody(pending) => {
                self.record.request_bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
                if self.is_too_long(body.len()) {
                    return self.refuse_length(pending.body.shape(), pending.is_granted());
                }
                self.judge_body(pending, body)
            }
            State::Forwarded => {
                self.state = State::Forwarded;
                Step::Forward
            }
            State::Start | State::Refused => self.refuse(Reason::Internal.into()),
        }
    }

    /// Judges a request's trailers, before its body where that waits for them: `Hold`, the body is what decides. What only the gate may
    /// set is taken out of them too.
    pub fn request_trailers(&mut self, trailers: &Head<'_>) -> HeadStep {
        let edits = trailers.owned_names().into_iter().map(HeaderEdit::Remove).collect();
        let step = match (&self.state, self.policy.clone()) {
            (State::Forwarded, _) => Step::Forward,
            (State::AwaitingBody(pending), Some(policy)) => {
                let (origin, shape) = (Rc::clone(&pending.origin), pending.body.shape());
                match self.scan_trailers(&policy, &origin, trailers) {
                    Ok(()) => Step::Hold,
                    Err(reason) => self.refuse(Refused { reason, rule: None, shape }),
                }
            }
            (State::AwaitingBody(_) | State::Start | State::Refused, _) => {
                self.refuse(Reason::Internal.into())
            }
        };
        HeadStep { edits, step }
    }

    /// Refuses whatever state the exchange is in, because its driver could not do its part.
    pub fn fail(&mut self) -> Step {
        self.refuse(Reason::Internal.into())
    }

    /// What policy says becomes of the record.
    pub fn audit(&self) -> Audit {
        self.policy.as_ref().map_or_else(Audit::default, |policy| policy.parts().settings.audit)
    }

    /// Ends the exchange: what is kept of it, for its driver to add what only that knows. One that was not judged yet counts as refused,
    /// and lets nothing pass any more.
    pub fn end(&mut self) -> &mut Record {
        self.record.serial = self.policy.as_ref().map(|policy| policy.parts().serial);
        if !matches!(self.state, State::Forwarded) {
            self.state = State::Refused;
            self.record.refusal.get_or_insert(Reason::RequestMalformed);
        }
        &mut self.record
    }

    fn is_too_long(&self, length: usize) -> bool {
        let most = self.policy.as_ref().map_or(0, |policy| policy.parts().limits.max_body_bytes);
        usize::try_from(most).is_ok_and(|most| length > most)
    }

    /// Notes the rule that allowed, unless it is noted already why the request would not have passed.
    fn note_grant(&mut self, rule: RuleName) {
        if self.record.passed.is_none() {
            self.note_rule(rule);
        }
    }

    /// Names the rule that refused. One that allowed the request does not explain its refusal.
    fn name_rule(&mut self, rule: Option<Box<RuleName>>) {
        match rule {
            Some(rule) => self.note_rule(*rule),
            None => (self.record.mission, self.record.rule) = (None, None),
        }
    }

    fn note_rule(&mut self, rule: RuleName) {
        let RuleName { mission, rule, path: _ } = rule;
        (self.record.mission, self.record.rule) = (Some(mission), Some(rule));
    }

    /// Takes a mode on: the gate's, until it is known whose request this is.
    fn observe(&mut self, mode: Mode) {
        self.observes = mode == Mode::Observe;
        self.record.mode = mode;
    }

    /// Notes what would have been refused, but goes on: by a setting, or because it is only observed. The first is what counts.
    fn note(&mut self, reason: Reason, rule: Option<Box<RuleName>>) {
        if self.record.passed.is_none() {
            self.record.passed = Some(reason);
            self.name_rule(rule);
        }
    }

    /// What becomes of a refusal by the rules: one by a mission on trial is noted, and the request is judged on.
    fn refuse_or_note(&mut self, refusal: Refusal) -> Result<(), Refused<'static>> {
        let Refusal { reason, rule, on_trial } = refusal;
        if !on_trial && !self.observes {
            return Err(Refused { reason, rule, shape: Shape::Http });
        }
        if reason == Reason::Internal {
            return Err(reason.into());
        }
        self.record.mode = Mode::Observe;
        self.note(reason, rule);
        Ok(())
    }

    /// What becomes of a body over the limit: where policy says so, one that does not decide goes on unread.
    fn refuse_length(&mut self, shape: Shape<'_>, granted: bool) -> Step {
        if granted && self.lets_oversize_pass() {
            self.note(Reason::RequestTooLarge, None);
            self.state = State::Forwarded;
            return Step::Forward;
        }
        self.refuse(Refused { reason: Reason::RequestTooLarge, rule: None, shape })
    }

    fn lets_oversize_pass(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.parts().settings.oversize == Otherwise::Allow)
    }

    /// The one exit of every refusal.
    fn refuse(&mut self, refused: Refused<'_>) -> Step {
        let broken = matches!(refused.reason, Reason::Internal | Reason::PolicyAbsent);
        if self.observes && !broken {
            self.note(refused.reason, refused.rule);
            self.state = State::Forwarded;
            return Step::Forward;
        }
        let reply = Reply::refuse(&refused.reason, refused.shape);
        self.record.status = Some(reply.received_status());
        self.record.refusal = Some(refused.reason);
        self.name_rule(refused.rule);
        self.state = State::Refused;
        Step::Reply(reply)
    }
}

#[cfg(test)]
mod tests;
