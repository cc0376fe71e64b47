//! The judgement of what comes back.

use super::{End, Exchange, HeadStep, HeaderEdit, Pending, State, Step};
use crate::decide::Origin;
use crate::http::Head;
use crate::operation::RequestId;
use crate::policy::{Coded, LlmApi, Policy, Protocol, Route};
use crate::reason::Reason;
use crate::reply::{Reply, Shape};
use crate::response::{Body, Context, Plan, Pushed, Stream, Whole, narrow_coding, plan};
use crate::scan::{Action, Inspection, Place, Profile};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;

/// What goes on in the place of a piece of a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Chunk {
    /// The piece as it came.
    Forward,
    /// These bytes; there may be none.
    Replace(Vec<u8>),
}

/// How a response's body is judged from here on.
#[derive(Debug, Default)]
pub(super) enum Course {
    /// It passes, and is counted.
    #[default]
    Passing,
    /// All of it is awaited.
    Held(Whole),
    /// Each piece is judged as it comes.
    Streamed(Box<Stream>),
    /// Nothing more of it goes on.
    Refused,
}

impl Exchange {
    /// Says that the heads of responses wait for their bodies where those are held, so that a refusal can still have its own status.
    #[must_use]
    pub fn holding_heads(mut self, holds: bool) -> Self {
        self.holds_heads = holds;
        self
    }

    /// Whether the response's head and body are read at all; where they are not, its status is all there is to say.
    pub fn reads_response(&self) -> bool {
        let watches = |policy| {
            let profile = self.profile(policy);
            self.context(policy, profile.as_deref()).is_some_and(|context| context.watches())
        };
        matches!(self.state, State::Forwarded) && self.policy.as_deref().is_some_and(watches)
    }

    /// Judges a response's head, and says what becomes of the body: `Forward`, it passes; `Hold`, all of it is awaited; `Stream`,
    /// every piece is judged. The gate's own replies pass.
    pub fn response_head(&mut self, head: &Head<'_>, end: End) -> HeadStep {
        let status = head.required(":status").ok().and_then(|digits| digits.parse().ok());
        self.record.status = status.or(self.record.status);
        let mut forward = HeadStep { edits: Vec::new(), step: Step::Forward };
        if !matches!(self.state, State::Forwarded) {
            return forward;
        }
        match self.judge_headers(head) {
            Ok(edits) => forward.edits = edits,
            Err(reason) => return HeadStep { step: self.refuse_response(reason, None, true), ..forward },
        }
        if self.memory.bodiless || end == End::Last || matches!(status, Some(204 | 304)) {
            return forward;
        }
        match self.plan(head) {
            Ok(Plan { body, passes, edits }) => {
                if let Some(reason) = passes {
                    self.note(reason, None);
                }
                self.course = match body {
                    Body::Passing => Course::Passing,
                    Body::Held(whole) => Course::Held(whole),
                    Body::Streamed(stream) => Course::Streamed(stream),
                };
                let step = match self.course {
                    Course::Held(_) => Step::Hold,
                    Course::Streamed(_) => Step::Stream,
                    Course::Passing | Course::Refused => Step::Forward,
                };
                forward.edits.extend(edits.into_iter().filter(|_| !self.observes));
                HeadStep { step, ..forward }
            }
            Err(reason) => HeadStep { step: self.refuse_response(reason, None, true), ..forward },
        }
    }

    /// Hears how much of a response's body is held while more is on its way.
    pub fn response_progress(&mut self, buffered: usize) -> Step {
        match self.course {
            Course::Held(_) if self.is_too_long(buffered) => {
                self.count(buffered);
                self.refuse_response_length()
            }
            Course::Held(_) => Step::Hold,
            Course::Passing | Course::Streamed(_) => Step::Forward,
            Course::Refused => Step::Replace(Vec::new()),
        }
    }

    /// Judges the whole of a response's body.
    pub fn response_body(&mut self, body: &[u8]) -> Step {
        match core::mem::replace(&mut self.course, Course::Refused) {
            Course::Held(whole) => {
                self.count(body.len());
                if self.is_too_long(body.len()) {
                    self.refuse_response_length()
                } else {
                    self.judge_whole(whole, body)
                }
            }
            Course::Passing => {
                self.course = Course::Passing;
                Step::Forward
            }
            Course::Streamed(_) | Course::Refused => self.refuse_response(Reason::Internal, None, false),
        }
    }

    /// Judges a piece of a response's body.
    pub fn response_chunk(&mut self, chunk: &[u8], end: End) -> Chunk {
        self.count(chunk.len());
        match core::mem::replace(&mut self.course, Course::Refused) {
            Course::Streamed(stream) => self.judge_piece(stream, chunk, end),
            Course::Passing => {
                self.course = Course::Passing;
                Chunk::Forward
            }
            Course::Held(_) | Course::Refused => Chunk::Replace(Vec::new()),
        }
    }

    /// Inspects the headers of a response, or its trailers. What asks for something in one of them to be replaced has it taken out; but
    /// what gRPC says of how a call went stays as it is, or is refused.
    fn judge_headers(&mut self, head: &Head<'_>) -> Result<Vec<HeaderEdit>, Reason> {
        let mut edits = Vec::new();
        let Some(policy) = self.policy.clone() else { return Ok(edits) };
        let profile = self.profile(&policy);
        if !profile.as_deref().is_some_and(|profile| profile.looks_at(Place::Response)) {
            return Ok(edits);
        }
        for ((name, value), expected) in head.looked_at_back() {
            // One inspection each, so that it is known of each what is asked for.
            let Some(context) = self.context(&policy, profile.as_deref()) else { return Ok(edits) };
            let mut inspector = context.inspector(Place::Response);
            if name.eq_ignore_ascii_case(b"grpc-message") {
                inspector.head("grpc-message", value, Action::Block);
            } else {
                inspector.header(name, value, Action::Redact, expected);
            }
            let Inspection { findings, edits: wanted, refusal, .. } = inspector.finish();
            self.record.findings.extend(findings);
            if let Some(reason) = refusal {
                return Err(reason);
            }
            if !wanted.is_empty() && !self.observes {
                let name = core::str::from_utf8(name).map_err(|_| Reason::ResponseMalformed)?;
                edits.push(HeaderEdit::Remove(name.to_string()));
                self.record.redacted = true;
            }
        }
        Ok(edits)
    }

    /// Judges a response's trailers, which come after the body; there may be none. Of a response that was refused nothing goes on, and
    /// where the caller speaks gRPC they say why.
    pub fn response_trailers(&mut self, trailers: &Head<'_>) -> Vec<HeaderEdit> {
        if !matches!(self.state, State::Forwarded) {
            return Vec::new();
        }
        if !matches!(self.course, Course::Refused) {
            match self.judge_headers(trailers) {
                Ok(edits) => return edits,
                Err(reason) => {
                    // The status has gone on, whatever waited for the body.
                    let status = self.record.status;
                    let _ = self.refuse_response(reason, None, false);
                    self.record.status = status;
                }
            }
        }
        let (Course::Refused, Some(reason)) = (&self.course, &self.record.refusal) else { return Vec::new() };
        let mut edits: Vec<HeaderEdit> =
            trailers.names(|_| true).into_iter().map(HeaderEdit::Remove).collect();
        let reply = Reply::refuse(reason, self.memory.shape(None));
        if let Some(status) = reply.grpc_status {
            edits.push(HeaderEdit::Add("grpc-status", status.to_string().into()));
            edits.push(HeaderEdit::Add("grpc-message", reply.body.into()));
        }
        edits
    }

    /// Whether something of a response that passes in pieces is held back, as not decided yet.
    pub fn holds_back(&self) -> bool {
        matches!(&self.course, Course::Streamed(stream) if !self.observes && stream.holds_back())
    }

    /// Notes that a piece of a response's body went by that is not judged.
    pub fn response_passed(&mut self, length: usize) {
        self.count(length);
    }

    fn count(&mut self, length: usize) {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.record.response_bytes = self.record.response_bytes.saturating_add(length);
    }

    fn plan(&mut self, head: &Head<'_>) -> Result<Plan, Reason> {
        let Some(policy) = self.policy.clone() else { return Ok(Plan::passing(None)) };
        let profile = self.profile(&policy);
        let Some(context) = self.context(&policy, profile.as_deref()) else { return Ok(Plan::passing(None)) };
        if !context.watches() {
            return Ok(Plan::passing(None));
        }
        let planned = plan(&context, head)?;
        // A length that is already known to be over the limit need not be waited for.
        if matches!(planned.body, Body::Held(_))
            && known_length(head).is_some_and(|length| self.is_too_long(length))
        {
            return if self.passes_oversize() {
                Ok(Plan::passing(Some(Reason::ResponseTooLarge)))
            } else {
                Err(Reason::ResponseTooLarge)
            };
        }
        Ok(planned)
    }

    /// What detectors do with the response; `None` where nobody's rights are known.
    fn profile<'a>(&self, policy: &'a Policy) -> Option<Cow<'a, Profile>> {
        let origin = self.memory.origin.as_ref()?;
        policy.profile(policy.agent(origin.agent)?, policy.service(origin.service))
    }

    /// What the response is judged by.
    fn context<'a>(&'a self, policy: &'a Policy, profile: Option<&'a Profile>) -> Option<Context<'a>> {
        Some(Context { policy, profile: profile?, memory: &self.memory })
    }

    fn judge_whole(&mut self, whole: Whole, body: &[u8]) -> Step {
        let Some(policy) = self.policy.clone() else { return self.fail() };
        let most = usize::try_from(policy.parts().limits.max_body_bytes).unwrap_or(0);
        let profile = self.profile(&policy);
        let judged = match self.context(&policy, profile.as_deref()) {
            Some(context) => whole.judge(&context, body, most),
            None => Err(Reason::Internal),
        };
        match judged {
            Ok(judged) => {
                let Inspection { findings, refusal, .. } = judged.inspection;
                let redacts = findings.redacts();
                self.record.findings.extend(findings);
                if let Some(reason) = refusal {
                    return self.refuse_response(reason, None, false);
                }
                self.course = Course::Passing;
                match judged.body {
                    Cow::Owned(body) if !self.observes => {
                        self.record.redacted |= redacts;
                        Step::Replace(body)
                    }
                    _ => Step::Forward,
                }
            }
            Err(reason) => self.refuse_response(reason, None, false),
        }
    }

    fn judge_piece(&mut self, mut stream: Box<Stream>, chunk: &[u8], end: End) -> Chunk {
        let Some(policy) = self.policy.clone() else { return Chunk::Replace(Vec::new()) };
        let profile = self.profile(&policy);
        let Some(context) = self.context(&policy, profile.as_deref()) else {
            return Chunk::Replace(Vec::new());
        };
        let Pushed { instead, findings, refusal } = stream.push(&context, chunk, end);
        let redacts = findings.redacts();
        self.record.findings.extend(findings);
        if let Some(reason) = refusal {
            // What goes on ends in the refusal already, unless it is only noted.
            if self.refuse_response(reason, None, false) == Step::Forward {
                return Chunk::Forward;
            }
            return Chunk::Replace(instead.unwrap_or_default());
        }
        self.course = Course::Streamed(stream);
        match instead {
            Some(instead) if !self.observes => {
                self.record.redacted |= redacts;
                Chunk::Replace(instead)
            }
            _ => Chunk::Forward,
        }
    }

    fn passes_oversize(&self) -> bool {
        let lenient = |policy| {
            let profile = self.profile(policy);
            self.context(policy, profile.as_deref()).is_some_and(|context| context.is_lenient())
        };
        self.lets_oversize_pass() && self.policy.as_deref().is_some_and(lenient)
    }

    fn refuse_response_length(&mut self) -> Step {
        if self.passes_oversize() {
            self.note(Reason::ResponseTooLarge, None);
            self.course = Course::Passing;
            return Step::Forward;
        }
        self.refuse_response(Reason::ResponseTooLarge, None, false)
    }

    /// The one exit of every refusal of a response. Where its head has gone on, the status stays and the refusal is the body.
    fn refuse_response(&mut self, reason: Reason, id: Option<&RequestId>, head_waits: bool) -> Step {
        if self.observes && reason != Reason::Internal {
            self.note(reason, None);
            self.course = Course::Passing;
            return Step::Forward;
        }
        let reply = Reply::refuse(&reason, self.memory.shape(id.or(self.memory.only_id())));
        self.record.refusal = Some(reason);
        self.name_rule(None);
        self.course = Course::Refused;
        if head_waits || self.holds_heads {
            self.record.status = Some(reply.received_status());
            return Step::Reply(reply);
        }
        // The message of a gRPC status stands in trailers.
        Step::Replace(if reply.grpc_status.is_some() { Vec::new() } else { reply.body.into_bytes() })
    }
}

fn known_length(head: &Head<'_>) -> Option<usize> {
    let length = head.only("content-length").ok()??;
    core::str::from_utf8(length).ok()?.parse().ok()
}

/// What the request's head has to do with the response.
impl Exchange {
    /// Remembers what the response will be judged by.
    pub(super) fn remember(&mut self, route: &Route, origin: &Rc<Origin>, method: &str) {
        self.memory.origin = Some(Rc::clone(origin));
        self.memory.protocol = Some(route.protocol);
        self.memory.opaque_bodies = route.opaque_bodies;
        self.memory.bodiless = method == "HEAD";
    }

    /// How the caller expects a refusal of the response.
    pub(super) fn expect_shape(&mut self, pending: Option<&Pending>, grpc: bool) {
        let shape = pending.map_or(Shape::Http, |pending| pending.body.shape());
        self.memory.shape = Some(match self.memory.protocol {
            _ if grpc => Shape::Grpc,
            Some(Protocol::Mcp) => Shape::Rpc(None),
            Some(Protocol::Llm) if matches!(shape, Shape::Http) => Shape::Llm(LlmApi::Models),
            _ => shape,
        });
    }

    /// The changes to a request's head that keep its response readable: codings that the gate does not read are not asked for, nor
    /// parts of a whole, each of which could hold half of what is looked for.
    pub(super) fn edits_for_response(&self, policy: &Policy, head: &Head<'_>) -> Vec<HeaderEdit> {
        let mut edits = Vec::new();
        let profile = self.profile(policy);
        let Some(context) = self.context(policy, profile.as_deref()).filter(Context::watches) else {
            return edits;
        };
        let coded = policy.parts().settings.coded;
        let narrows = coded != Coded::Pass || !context.is_lenient();
        // Messages of gRPC have codings of their own, and are read whatever is said of bodies.
        for (header, narrows, decodes) in
            [("accept-encoding", narrows, coded != Coded::Deny), ("grpc-accept-encoding", true, true)]
        {
            if let Some(narrowed) = narrow_coding(head, header, decodes).filter(|_| narrows) {
                edits.push(HeaderEdit::Remove(header.to_string()));
                edits.push(HeaderEdit::Add(header, narrowed.into()));
            }
        }
        let ranges = ["range", "if-range"].iter().filter(|name| head.all(name).next().is_some());
        edits.extend(ranges.map(|name| HeaderEdit::Remove((*name).to_string())));
        edits
    }
}
