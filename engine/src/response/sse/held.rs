//! Events that wait, and what has to be changed in them.

use super::parser::Event;
use super::texts::{Begin, TextId, Texts};
use crate::json::{Document, Kind, Numbers, Value, raw_range};
use crate::scan::{Edit, Hit, apply, disjoint};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// What is known of an event while it is on its way.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// As it came.
    pub(super) raw: Vec<u8>,
    /// Whether the stream begins with it.
    pub(super) first: bool,
    /// The pieces of texts in it.
    pub(super) parts: Vec<Part>,
    /// Changes to it as it stands.
    pub(super) edits: Vec<Edit>,
    /// Whether what repeats the text a token at a time has been taken out.
    stripped: bool,
}

/// A piece of a text in an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) begin: Begin,
    /// The byte of the text after its last.
    pub(super) end: u64,
    /// Where it stands in the event's data: the inside of a string, or plain text.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Whether it stands in a string.
    pub(super) quoted: bool,
}

impl Part {
    fn overlaps(&self, text: TextId, hit: &Hit) -> bool {
        self.begin.text == text && self.begin.offset < hit.end && hit.start < self.end
    }

    /// Where the part of a hit that lies in this piece stands in the data.
    fn locate(&self, data: &[u8], hit: &Hit) -> (usize, usize) {
        let within = |at: u64| {
            let at = at.clamp(self.begin.offset, self.end).saturating_sub(self.begin.offset);
            usize::try_from(at).unwrap_or(usize::MAX)
        };
        let (mut start, mut end) = (within(hit.start), within(hit.end));
        if self.quoted {
            let inside = data.get(self.from..self.to).and_then(|inside| core::str::from_utf8(inside).ok());
            (start, end) = raw_range(inside.unwrap_or_default(), start, end);
        }
        (self.from.saturating_add(start), self.from.saturating_add(end))
    }
}

impl Held {
    /// An event of which nothing is known yet; `first` tells the one that the stream begins with.
    pub(super) fn new(first: bool) -> Self {
        Self { first, ..Self::default() }
    }

    pub(super) fn is_decided(&self, texts: &Texts) -> bool {
        self.parts.iter().all(|part| texts.is_decided(part.begin.text, part.end))
    }

    /// The texts that are not decided as far as this event has come.
    pub(super) fn undecided(&self, texts: &Texts) -> Vec<TextId> {
        let open = self.parts.iter().filter(|part| !texts.is_decided(part.begin.text, part.end));
        open.map(|part| part.begin.text).collect()
    }

    /// Takes what was found in a text out of this event, and puts `with` where it begins.
    pub(super) fn remove(&mut self, text: TextId, hit: &Hit, with: &mut Cow<'_, str>) {
        if !self.parts.iter().any(|part| part.overlaps(text, hit)) {
            return;
        }
        let event = Event::read(&self.raw, self.first);
        for part in self.parts.iter().filter(|part| part.overlaps(text, hit)) {
            let (start, end) = part.locate(&event.data, hit);
            let with = core::mem::take(with).into_owned(); // what is left for the next is empty
            event.on_lines(start, end, with, |edit| self.edits.push(edit));
        }
        if !core::mem::replace(&mut self.stripped, true)
            && let Ok(document) = Document::parse_with(&event.data, Numbers::Opaque)
            && let Some(root) = document.root()
        {
            strip(root, &mut |(start, end), with: &str| {
                event.on_lines(start, end, with.into(), |edit| self.edits.push(edit));
            });
        }
    }

    /// The event as it may go on.
    pub(super) fn changed(self) -> Vec<u8> {
        if self.edits.is_empty() { self.raw } else { apply(&self.raw, &disjoint(self.edits)) }
    }
}

/// Empties what tells of each token again.
fn strip(value: Value<'_>, edit: &mut dyn FnMut((usize, usize), &str)) {
    match value.kind() {
        Kind::Object => value.entries().for_each(|(name, member)| match (&*name, member.kind()) {
            ("logprobs", Kind::Array) => edit(member.span(), "[]"),
            ("logprobs", Kind::Object) => edit(member.span(), "null"),
            _ => strip(member, edit),
        }),
        Kind::Array => value.items().for_each(|item| strip(item, edit)),
        _ => {}
    }
}
