//! Event streams (`text/event-stream`): MCP, A2A and models answer in them, an event at a time.
//!
//! ```text
//!  piece ─ parser ─► event ─┬─ channels ─► pieces of texts ─ texts ─► findings ─┐
//!                           └─ the event as a whole ───────────────► findings ─┴─► held ─► goes on, in order
//! ```
//!
//! An event goes on as soon as all texts that it has a piece of are decided that far: at once, unless something that began there could
//! still become a finding. No event is added, dropped or moved; what was found is replaced where it begins and taken out of the
//! events that it goes on in. Everything is decided event by event, so that it does not matter how the stream was cut.

mod channels;
mod ending;
mod held;
mod parser;
mod texts;
mod work;

use super::whole::of_response;
use super::{Context, Pushed, rpc};
use crate::exchange::End;
use crate::json::{Document, Fault, Numbers};
use crate::policy::Protocol;
use crate::reason::Reason;
use crate::record::{FindingRecord, Findings};
use crate::scan::{Action, Edit};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
pub(crate) use channels::{Key, Piece};
pub(crate) use texts::{Found, Texts};

use channels::{Dialect, Over, Reading};
use ending::{Spoken, ending};
use held::{Held, Part};
use parser::{Cut, Event, Framer, on_one_line};
use texts::TooMany;
use work::{Out, Work};

/// One event stream on its way to the caller.
#[derive(Debug)]
pub(crate) struct SseStream {
    framer: Framer,
    /// Whether nothing has come.
    fresh: bool,
    /// The beginning of an event whose end has not come.
    partial: Vec<u8>,
    /// Events that wait, in order, and how many bytes they are.
    queue: Vec<Held>,
    queued: u32,
    texts: Texts,
    spoken: Spoken,
    /// Whether it was told that too much had to be held.
    told: bool,
}

impl SseStream {
    /// Begins a stream; its protocol, its calls and the caller's rights are in the context of every push.
    pub(crate) fn new() -> Self {
        Self {
            framer: Framer::new(),
            fresh: true,
            partial: Vec::new(),
            queue: Vec::new(),
            queued: 0,
            texts: Texts::default(),
            spoken: Spoken::default(),
            told: false,
        }
    }

    /// Whether something is held back.
    pub(crate) fn holds_back(&self) -> bool {
        !(self.queue.is_empty() && self.partial.is_empty())
    }

    /// Takes the next piece, cut anywhere.
    pub(crate) fn push(&mut self, context: &Context<'_>, piece: &[u8], end: End) -> Pushed {
        let mut work = Work { context, out: Out::new(piece), findings: Findings::default() };
        let refusal = self.take(&mut work, piece, end).err();
        if let Some(reason) = &refusal {
            (self.partial, self.queue, self.queued) = (Vec::new(), Vec::new(), 0);
            let shape = context.memory.shape(context.memory.only_id());
            work.out.add(ending(reason, shape, self.spoken).as_bytes());
        }
        Pushed { instead: work.out.instead(), findings: work.findings, refusal }
    }

    fn take(&mut self, work: &mut Work<'_>, mut piece: &[u8], end: End) -> Result<(), Reason> {
        while !piece.is_empty() {
            let cut = self.framer.next(piece);
            let length = match cut {
                Cut::Unit(length) | Cut::Tail(length) => length,
                Cut::Open => piece.len(),
            };
            let Some((raw, rest)) = piece.split_at_checked(length) else { return Err(Reason::Internal) };
            piece = rest;
            match cut {
                Cut::Tail(_) => match self.queue.last_mut() {
                    Some(held) => {
                        held.raw.extend_from_slice(raw);
                        self.queued = self.queued.saturating_add(length_of(raw));
                    }
                    None => work.out.add(raw),
                },
                Cut::Unit(_) if self.partial.is_empty() => self.unit(work, raw)?,
                Cut::Unit(_) => {
                    self.partial.extend_from_slice(raw);
                    let raw = core::mem::take(&mut self.partial);
                    self.unit(work, &raw)?;
                }
                Cut::Open => {
                    self.partial.extend_from_slice(raw);
                    self.check_length(work, self.partial.len())?;
                }
            }
        }
        if end == End::Last { self.finish(work) } else { Ok(()) }
    }

    /// What is left when nothing more comes. An event without its end is not one, but some clients take it for one.
    fn finish(&mut self, work: &mut Work<'_>) -> Result<(), Reason> {
        if !self.partial.is_empty() {
            let raw = core::mem::take(&mut self.partial);
            self.unit(work, &raw)?;
        }
        let mut found = Vec::new();
        self.texts.end(work.context, Over::All, &mut found);
        self.carry_out(work, found)?;
        self.release(work)
    }

    fn check_length(&self, work: &Work<'_>, length: usize) -> Result<(), Reason> {
        if length > work.limit() { Err(Reason::ResponseTooLarge) } else { Ok(()) }
    }

    /// Judges an event, or a comment that stands between events.
    fn unit(&mut self, work: &mut Work<'_>, raw: &[u8]) -> Result<(), Reason> {
        self.check_length(work, raw.len())?;
        let first = core::mem::replace(&mut self.fresh, false);
        let event = Event::read(raw, first);
        let mut held = Held::new(first);
        let mut found = Vec::new();
        for (line, at) in event.others().filter(|(line, _)| !is_a_name(line)) {
            let seen = work.inspect_text(line)?;
            held.edits.extend(seen.edits.into_iter().map(|edit| Edit {
                start: at.saturating_add(edit.start),
                end: at.saturating_add(edit.end),
                with: on_one_line(edit.with),
            }));
        }
        if event.has_data() {
            self.data(work, &event, &mut held, &mut found)?;
        }
        if self.queue.is_empty() && held.edits.is_empty() && found.is_empty() && held.is_decided(&self.texts)
        {
            work.out.add(raw);
            return Ok(());
        }
        held.raw = raw.to_vec();
        self.queued = self.queued.saturating_add(length_of(raw));
        self.queue.push(held);
        self.carry_out(work, found)?;
        self.release(work)
    }

    fn data(
        &mut self,
        work: &mut Work<'_>,
        event: &Event<'_>,
        held: &mut Held,
        found: &mut Vec<Found>,
    ) -> Result<(), Reason> {
        let data = &*event.data;
        if data.trim_ascii() == b"[DONE]" {
            self.texts.end(work.context, Over::All, found);
            return Ok(());
        }
        // Numbers and words are JSON too, and pieces of plain text as likely.
        if matches!(data.trim_ascii_start().first(), Some(b'{' | b'[' | b'"' | 0xef)) {
            match Document::parse_with(data, Numbers::Opaque) {
                Ok(document) => return self.document(work, event, &document, held, found),
                Err(error) if work.is_strict() && is_ambiguous(error.fault) => {
                    return Err(of_response(error.into()));
                }
                Err(_) => {}
            }
        }
        self.plain_text(work, event, held, found)
    }

    fn document(
        &mut self,
        work: &mut Work<'_>,
        event: &Event<'_>,
        document: &Document<'_>,
        held: &mut Held,
        found: &mut Vec<Found>,
    ) -> Result<(), Reason> {
        if work.context.memory.protocol == Some(Protocol::Mcp) {
            self.spoken.dialect = Dialect::Rpc;
            let seen = work.note(rpc::judge_rpc_message(work.context, document))?;
            work.hold_edits(event, seen, held);
            return Ok(());
        }
        let Reading { pieces, over, dialect, choices, sequence } = channels::read(document);
        self.spoken.heard(dialect, choices, sequence);
        let exclusive: Vec<_> =
            pieces.iter().filter(|piece| piece.exclusive).filter_map(|piece| piece.node).collect();
        let mut inspector = work.inspector();
        inspector.document_without(document, &exclusive);
        let seen = work.note(inspector.finish())?;
        for piece in pieces.iter().filter(|piece| !piece.text.is_empty()) {
            let catalogue = work.context.catalogue();
            let clean = |key: &str| !catalogue.finds_anything(key);
            let pointer = || piece.node.map(|node| document.pointer(node, clean)).unwrap_or_default();
            let known = if seen.findings.is_empty() || piece.exclusive {
                Vec::new()
            } else {
                let pointer = pointer();
                let here = seen.findings.iter().filter(|finding| finding.pointer == pointer);
                here.map(|finding| (finding.offset, finding.length)).collect()
            };
            held.parts.push(self.piece(work, piece, || pointer().into(), &known, found)?);
        }
        for over in over {
            self.texts.end(work.context, over, found);
        }
        work.hold_edits(event, seen, held);
        Ok(())
    }

    /// Data that is no JSON: all of it is one text, and may as well be one of its own.
    fn plain_text(
        &mut self,
        work: &mut Work<'_>,
        event: &Event<'_>,
        held: &mut Held,
        found: &mut Vec<Found>,
    ) -> Result<(), Reason> {
        let seen = work.inspect_text(&event.data)?;
        for (line, at) in event.data_lines() {
            if at > 0 {
                self.plain_piece(work, "\n", &[], found)?;
            }
            let mut from = at;
            for chunk in line.utf8_chunks() {
                let valid = chunk.valid();
                if !valid.is_empty() {
                    let behind = |finding: &FindingRecord| finding.offset.checked_sub(from);
                    let here = seen.findings.iter().filter_map(|of| Some((behind(of)?, of.length)));
                    let part = self.plain_piece(work, valid, &here.collect::<Vec<_>>(), found)?;
                    held.parts.push(Part { from, to: from.saturating_add(valid.len()), ..part });
                }
                if !chunk.invalid().is_empty() {
                    // What clients read instead.
                    self.plain_piece(work, "\u{fffd}", &[], found)?;
                }
                from = from.saturating_add(valid.len()).saturating_add(chunk.invalid().len());
            }
        }
        work.hold_edits(event, seen, held);
        Ok(())
    }

    fn plain_piece(
        &mut self,
        work: &mut Work<'_>,
        text: &str,
        known: &[(usize, usize)],
        found: &mut Vec<Found>,
    ) -> Result<Part, Reason> {
        self.piece(work, &Piece::plain(text), || "".into(), known, found)
    }

    /// Adds a piece to its text. `known` is what the event's own scan found in it, which is not to be told twice.
    fn piece(
        &mut self,
        work: &mut Work<'_>,
        piece: &Piece<'_>,
        pointer: impl FnOnce() -> Box<str>,
        known: &[(usize, usize)],
        found: &mut Vec<Found>,
    ) -> Result<Part, Reason> {
        if piece.speaker != Key::NONE {
            self.texts.pause_before(work.context, piece, found);
        }
        let begin = self.texts.begin(piece, pointer).map_err(|TooMany| work.note_budget(Action::Block))?;
        known.iter().for_each(|&(offset, length)| self.texts.note_seen(begin, offset, length));
        self.texts.feed(work.context, begin.text, &piece.text, found);
        let length = u64::try_from(piece.text.len()).unwrap_or(u64::MAX);
        let (from, to) = (piece.span.0.saturating_add(1), piece.span.1.saturating_sub(1));
        Ok(Part { begin, end: begin.offset.saturating_add(length), from, to, quoted: piece.node.is_some() })
    }

    /// Notes what was found in texts, and does what is to be done about it.
    fn carry_out(&mut self, work: &mut Work<'_>, found: Vec<Found>) -> Result<(), Reason> {
        let mut refusal = None;
        for found in found {
            let seen = self.texts.is_seen(&found);
            let Found { text, hit, pointer } = found;
            match hit.action {
                Action::Block => {
                    refusal = refusal.or_else(|| Some(work.context.catalogue().reason(hit.detector)));
                }
                Action::Redact => {
                    let mut with = Cow::Borrowed(hit.with.as_str());
                    self.queue.iter_mut().for_each(|held| held.remove(text, &hit, &mut with));
                }
                Action::Alert | Action::Off => {}
            }
            if !seen && !hit.restores() {
                work.findings.add(work.context.record(&hit, &pointer));
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Lets go of the events that are decided, and decides when there is too much of what is not.
    fn release(&mut self, work: &mut Work<'_>) -> Result<(), Reason> {
        loop {
            let decided = self.queue.iter().take_while(|held| held.is_decided(&self.texts)).count();
            for held in self.queue.drain(..decided) {
                self.queued = self.queued.saturating_sub(length_of(&held.raw));
                work.out.add(&held.changed());
            }
            let Some(first) = self.queue.first() else {
                // What it took to hold events is not kept for the next time.
                self.queue = Vec::new();
                return Ok(());
            };
            if self.queued <= work.most_held() {
                return Ok(());
            }
            let undecided = first.undecided(&self.texts);
            if !core::mem::replace(&mut self.told, true) {
                work.over_budget()?;
            }
            let mut found = Vec::new();
            for text in undecided {
                self.texts.settle(work.context, text, &mut found);
            }
            self.carry_out(work, found)?;
        }
    }
}

/// How long an event is: never so long that its length does not fit.
fn length_of(raw: &[u8]) -> u32 {
    u32::try_from(raw.len()).unwrap_or(u32::MAX)
}

/// Whether a text that is no JSON to us could be JSON to others, and not the same to all. What every parser refuses is text.
fn is_ambiguous(fault: Fault) -> bool {
    !matches!(fault, Fault::ControlCharacter | Fault::Escape | Fault::Syntax | Fault::Trailing)
}

/// Whether a line that is no data tells nothing: the name of an event, a blank comment, or a comment or id of a few small letters.
fn is_a_name(line: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'_' | b'.' | b'-' | b':' | b'/' | b' ');
    line.len() <= 64 && line.iter().all(plain)
}

#[cfg(test)]
pub(crate) mod tests;
