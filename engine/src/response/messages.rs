//! gRPC messages on their way to the caller, each judged once it is there.
//!
//! Nothing is replaced in them, for their schema is not known: what asks for that ends the answer, as a block does. A text can go on in
//! the same field of the next message, as what a model says does; but most streams are of messages that have nothing to do with each
//! other, so none waits for the next. Of what is split, the message that completes it is the first that does not go on.

use super::sse::{Found, Key, Piece, Texts};
use super::{Context, Pushed};
use crate::exchange::End;
use crate::http::Coding;
use crate::reason::Reason;
use crate::record::{FindingRecord, Findings};
use crate::scan::{Action, Place, framed};
use alloc::vec::Vec;

/// The messages of an answer.
#[derive(Debug)]
pub(crate) struct MessageStream {
    /// How those are compressed that say so.
    coding: Option<Coding>,
    /// The beginning of a message whose end has not come.
    partial: Vec<u8>,
    texts: Texts,
}

impl MessageStream {
    pub(crate) fn new(coding: Option<Coding>) -> Self {
        Self { coding, partial: Vec::new(), texts: Texts::default() }
    }

    /// Whether something is held back.
    pub(crate) fn holds_back(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Takes the next piece, cut anywhere.
    pub(crate) fn push(&mut self, context: &Context<'_>, piece: &[u8], end: End) -> Pushed {
        let mut pushed = Pushed::default();
        let fresh = self.partial.is_empty();
        self.partial.extend_from_slice(piece);
        let mut out = core::mem::take(&mut self.partial);
        let mut gone = 0_usize;
        pushed.refusal = self.take(context, &out, end, &mut gone, &mut pushed.findings).err();
        let same = fresh && gone == out.len();
        if gone == 0 && pushed.refusal.is_none() {
            // A long message comes in many pieces, and is not moved for each.
            core::mem::swap(&mut self.partial, &mut out);
        } else {
            let rest = out.split_off(gone.min(out.len()));
            self.partial = if pushed.refusal.is_none() { rest } else { Vec::new() };
        }
        pushed.instead = (!same).then_some(out);
        pushed
    }

    /// Judges every message that is there; `gone` is how many bytes of them may go on.
    fn take(
        &mut self,
        context: &Context<'_>,
        bytes: &[u8],
        end: End,
        gone: &mut usize,
        findings: &mut Findings,
    ) -> Result<(), Reason> {
        let most = usize::try_from(context.policy.parts().limits.max_body_bytes).unwrap_or(0);
        loop {
            let rest = bytes.get(*gone..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            let length = match framed(rest) {
                Some(length) if length.saturating_sub(5) > most => return Err(Reason::ResponseTooLarge),
                Some(length) if length <= rest.len() => length,
                // What is cut short is no message, but some clients may take it for one.
                _ if end == End::Last => rest.len(),
                _ => return Ok(()),
            };
            let message = rest.get(..length).unwrap_or_default();
            self.judge(context, message, most, findings)?;
            *gone = gone.saturating_add(length);
        }
    }

    fn judge(
        &mut self,
        context: &Context<'_>,
        message: &[u8],
        most: usize,
        findings: &mut Findings,
    ) -> Result<(), Reason> {
        let mut inspector = context.inspector(Place::Response);
        let mut split = Vec::new();
        let texts = &mut self.texts;
        inspector.grpc(message, (self.coding, most), &mut |name, text| {
            let text = core::str::from_utf8(text).unwrap_or_default();
            let piece = Piece::of_message(Key::named(name), text);
            // There is always room, for nothing is left open.
            let Ok(begin) = texts.begin(&piece, || ["#", name].concat().into()) else { return };
            let mut hits = Vec::new();
            texts.feed(context, begin.text, text, &mut hits);
            texts.settle(context, begin.text, &mut hits);
            // Nothing can be put back: lengths stand around every text.
            let hits = hits.into_iter().filter(|found| !found.hit.restores());
            split.extend(hits.map(|found| (found, begin.offset)));
        });
        let mut seen = inspector.finish();
        for (Found { mut hit, pointer, .. }, begun) in split {
            // What stands in this message as a whole was found in it.
            let offset = hit.start.checked_sub(begun).and_then(|offset| usize::try_from(offset).ok());
            let known = |of: &FindingRecord| Some(of.offset) == offset && of.pointer == *pointer;
            if seen.findings.iter().any(known) {
                continue;
            }
            hit.action = if hit.action == Action::Redact { Action::Block } else { hit.action };
            if hit.action == Action::Block && seen.refusal.is_none() {
                seen.refusal = Some(context.catalogue().reason(hit.detector));
            }
            seen.findings.add(context.record(&hit, &pointer));
        }
        findings.extend(seen.findings);
        seen.refusal.map_or(Ok(()), Err)
    }
}
