//! What comes back: how a response is judged, by its head and by what the exchange remembers of its request.
//!
//! ```text
//!  head ──► plan ──┬─ nothing to judge            passes, and is counted
//!                  ├─ JSON, or anything coded     held whole:  whole, rpc
//!                  ├─ events                      piece by piece:  sse
//!                  ├─ gRPC                        message by message:  messages
//!                  └─ other text                  piece by piece:  text
//! ```

mod memory;
mod messages;
mod plan;
pub(crate) mod rpc;
pub(crate) mod sse;
mod text;
mod tools;
mod whole;

pub(crate) use memory::Memory;
pub(crate) use messages::MessageStream;
pub(crate) use plan::{Body, Plan, narrow_coding, plan};
pub(crate) use sse::SseStream;
pub(crate) use text::TextStream;
pub(crate) use whole::{Whole, of_response};

use crate::exchange::End;
use crate::http::{Coding, Decoder};
use crate::policy::{Policy, Protocol};
use crate::reason::Reason;
use crate::record::{Direction, FindingRecord, Findings};
use crate::reply::Reply;
use crate::scan::{Action, Aside, Catalogue, Hit, Inspector, Place, Profile, Treatment, Vault};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// What the judgement of a response goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'p> {
    pub(crate) policy: &'p Policy,
    /// What detectors do with what comes back to this caller.
    pub(crate) profile: &'p Profile,
    /// What the exchange remembers of its request.
    pub(crate) memory: &'p Memory,
}

/// A response whose body passes in pieces.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Decodes it first, where it is coded.
    decoder: Option<Box<Decoder>>,
    texts: Texts,
}

/// What a body in pieces is.
#[derive(Debug)]
pub(crate) enum Texts {
    Events(SseStream),
    Messages(Box<MessageStream>),
    One(TextStream),
}

/// What came of a piece of a stream.
#[derive(Debug, Default)]
pub(crate) struct Pushed {
    /// What goes on instead of the piece; `None`: the piece, as it came.
    pub(crate) instead: Option<Vec<u8>>,
    /// What detectors found, as far as it is decided.
    pub(crate) findings: Findings,
    /// Why nothing more may go on. What goes on instead of the piece ends in the protocol's own error then, and nothing is pushed
    /// after it.
    pub(crate) refusal: Option<Reason>,
}

impl<'p> Context<'p> {
    pub(crate) fn catalogue(&self) -> &'p Catalogue {
        &self.policy.parts().catalogue
    }

    /// The tool that the response is of.
    pub(crate) fn tool(&self) -> Option<&'p str> {
        self.memory.tool.as_deref()
    }

    /// What a record says of something that was found in a stream.
    pub(crate) fn record(&self, hit: &Hit, pointer: &str) -> FindingRecord {
        let detector = self.catalogue().detector(hit.detector);
        FindingRecord {
            detector: detector.map(|detector| detector.id.clone()).unwrap_or_default(),
            direction: Direction::Response,
            pointer: pointer.into(),
            offset: usize::try_from(hit.start).unwrap_or(usize::MAX),
            length: usize::try_from(hit.end.saturating_sub(hit.start)).unwrap_or(usize::MAX),
            action: hit.action,
            place: (0, 0),
        }
    }

    /// The values whose tokens are put back, where there are any.
    fn vault(&self) -> Option<&'p Vault> {
        self.memory.vault.as_ref().filter(|vault| !vault.is_empty())
    }

    /// What is known of a text that passes in pieces.
    pub(crate) fn aside(&self) -> Aside<'p> {
        Aside { tool: self.tool(), vault: self.vault() }
    }

    /// Begins an inspection of what came back.
    pub(crate) fn inspector(&self, place: Place) -> Inspector<'p> {
        let vault = self.vault().filter(|_| place == Place::Response);
        Inspector::new(self.catalogue(), self.profile, place).for_tool(self.tool()).restoring(vault)
    }
}

impl Stream {
    pub(crate) fn new(texts: Texts, coding: Option<Coding>) -> Self {
        Self { decoder: coding.map(|coding| Box::new(Decoder::new(coding))), texts }
    }

    /// Whether something is held back.
    pub(crate) fn holds_back(&self) -> bool {
        match &self.texts {
            Texts::Events(events) => events.holds_back(),
            Texts::Messages(messages) => messages.holds_back(),
            Texts::One(text) => text.holds_back(),
        }
    }

    /// Takes the next piece. `End::Last` may come with a piece that is empty.
    pub(crate) fn push(&mut self, context: &Context<'_>, piece: &[u8], end: End) -> Pushed {
        let Some(decoder) = &mut self.decoder else { return self.texts.push(context, piece, end) };
        let mut decoded = Vec::new();
        let done = decoder.push(piece, end == End::Last, &mut decoded);
        // What could be decoded goes before the refusal of what could not, however it was cut.
        let mut pushed = self.texts.push(context, &decoded, if done.is_ok() { end } else { End::More });
        let mut out = pushed.instead.take().unwrap_or(decoded);
        if let (Err(reason), None) = (done, &pushed.refusal) {
            let reason = of_response(reason);
            out.extend_from_slice(self.texts.refusal(context, &reason).as_bytes());
            pushed.refusal = Some(reason);
        }
        Pushed { instead: Some(out), ..pushed }
    }
}

impl Texts {
    fn push(&mut self, context: &Context<'_>, piece: &[u8], end: End) -> Pushed {
        match self {
            Self::Events(events) => events.push(context, piece, end),
            Self::Messages(messages) => messages.push(context, piece, end),
            Self::One(text) => text.push(context, piece, end),
        }
    }

    /// How it ends where what follows cannot be read.
    fn refusal(&self, context: &Context<'_>, reason: &Reason) -> String {
        let body = Reply::refuse(reason, context.memory.shape(context.memory.only_id())).body;
        match self {
            // Only whole events have gone on, so this is another.
            Self::Events(_) => ["data: ", &body, "\n\n"].concat(),
            // The trailers say it.
            Self::Messages(_) => String::new(),
            Self::One(_) => body,
        }
    }
}

impl Context<'_> {
    /// Whether anything could be found in the response, or taken out of it.
    pub(crate) fn watches(&self) -> bool {
        self.profile.looks_at(Place::Response) || self.cuts_lists() || self.policy.tokenises(self.profile)
    }

    /// Whether the response could be other than the upstream sent it.
    pub(crate) fn may_change(&self) -> bool {
        let changes = |of: &Treatment| of.response > Action::Alert;
        self.cuts_lists() || self.vault().is_some() || self.profile.treatments().iter().any(changes)
    }

    /// Whether the response may be anything: on plain HTTP. Every other protocol says what it answers with.
    pub(crate) fn is_lenient(&self) -> bool {
        matches!(self.memory.protocol, Some(Protocol::Http) | None)
    }

    /// Whether the response could be a list that is cut to what the caller may use. The session's own stream can bring any answer.
    fn cuts_lists(&self) -> bool {
        let calls = &self.memory.calls;
        self.memory.protocol == Some(Protocol::Mcp)
            && (calls.is_empty() || calls.iter().any(|call| call.list.is_some()))
    }
}
