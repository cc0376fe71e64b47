//! The texts of a stream, each with what its scan remembers.

use super::channels::{Key, Over, Piece};
use crate::response::Context;
use crate::scan::{Channel, Hit, Place};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The most texts at a time. Those that nothing is open in make room for others.
const MAX_TEXTS: usize = 64;
/// The most findings of a text that are remembered because they could be found again.
const MAX_SEEN: usize = 16;

/// The texts that are under way.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    texts: Vec<Text>,
    /// How many there were.
    count: u32,
    /// How many pieces came.
    pieces: u32,
    /// What was found before; rarely anything.
    seen: Option<Box<Seen>>,
}

#[derive(Debug)]
struct Text {
    key: Key,
    id: TextId,
    speaker: Key,
    turn: u8,
    /// The last piece that it got.
    used: u32,
    channel: Channel,
    /// Its length so far, and how much at its end is not decided.
    length: u64,
    open: u32,
    /// Where its first piece stood, for records.
    pointer: Box<str>,
}

/// Where in texts the events' own scans found something.
#[derive(Debug, Default)]
struct Seen(Vec<(TextId, u64, u64)>);

/// Tells a text from all others of its stream, those before it with the same key too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TextId(u32);

/// Something that was found in a text.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) text: TextId,
    pub(crate) hit: Hit,
    pub(crate) pointer: Box<str>,
}

/// There are too many texts at once in which something is open.
#[derive(Debug)]
pub(crate) struct TooMany;

/// Where in a text a piece begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Begin {
    pub(crate) text: TextId,
    pub(crate) offset: u64,
}

impl Texts {
    /// The text of a key, begun if there is none, and where its next piece begins.
    pub(crate) fn begin(
        &mut self,
        piece: &Piece<'_>,
        pointer: impl FnOnce() -> Box<str>,
    ) -> Result<Begin, TooMany> {
        self.pieces = self.pieces.wrapping_add(1);
        let used = self.pieces;
        if let Some(text) = self.texts.iter_mut().find(|text| text.key == piece.key) {
            text.used = used;
            return Ok(Begin { text: text.id, offset: text.length });
        }
        self.make_room()?;
        let id = TextId(self.count);
        self.count = self.count.wrapping_add(1);
        // One at a time: most streams have one or two.
        self.texts.reserve_exact(1);
        self.texts.push(Text {
            key: piece.key,
            id,
            speaker: piece.speaker,
            turn: piece.turn,
            used,
            channel: Channel::new(Place::Response, piece.json),
            length: 0,
            open: 0,
            pointer: pointer(),
        });
        Ok(Begin { text: id, offset: 0 })
    }

    /// Lets go of the text that was idle for longest.
    fn make_room(&mut self) -> Result<(), TooMany> {
        if self.texts.len() < MAX_TEXTS {
            return Ok(());
        }
        let now = self.pieces;
        let idle = self.texts.iter().enumerate().filter(|(_, text)| !text.is_open());
        let (at, _) = idle.max_by_key(|(_, text)| now.wrapping_sub(text.used)).ok_or(TooMany)?;
        self.texts.remove(at);
        Ok(())
    }

    /// Notes what the scan of an event found in a piece, where it will be found again.
    pub(super) fn note_seen(&mut self, begin: Begin, offset: usize, length: usize) {
        let Seen(seen) = &mut **self.seen.get_or_insert_default();
        if seen.len() >= MAX_SEEN {
            seen.remove(0);
        }
        let small = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let start = begin.offset.saturating_add(small(offset));
        seen.push((begin.text, start, start.saturating_add(small(length))));
    }

    /// Whether the scan of an event found what is found in a text now.
    pub(super) fn is_seen(&self, found: &Found) -> bool {
        let Found { text, hit, .. } = found;
        self.seen.as_ref().is_some_and(|seen| seen.0.contains(&(*text, hit.start, hit.end)))
    }

    /// Takes the next piece of a text.
    pub(crate) fn feed(&mut self, context: &Context<'_>, id: TextId, piece: &str, found: &mut Vec<Found>) {
        if let Some(text) = self.texts.iter_mut().find(|text| text.id == id) {
            let before = text.decided();
            text.length = text.length.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            // What went on at a pause stays decided.
            let decided = text.scan(context, piece, false, found).max(before);
            text.open = u32::try_from(text.length.saturating_sub(decided)).unwrap_or(u32::MAX);
        }
    }

    /// Whether a text is decided up to an offset.
    pub(super) fn is_decided(&self, id: TextId, end: u64) -> bool {
        self.texts.iter().find(|text| text.id == id).is_none_or(|text| text.decided() >= end)
    }

    /// A speaker has come to a turn: what it said in earlier ones seems to be over.
    pub(super) fn pause_before(&mut self, context: &Context<'_>, piece: &Piece<'_>, found: &mut Vec<Found>) {
        self.pause(context, found, |text| text.speaker == piece.speaker && text.turn < piece.turn);
    }

    /// Decides what is open in a text, as if it ended there.
    pub(crate) fn settle(&mut self, context: &Context<'_>, id: TextId, found: &mut Vec<Found>) {
        self.pause(context, found, |text| text.id == id);
    }

    /// Takes texts for ended.
    pub(super) fn end(&mut self, context: &Context<'_>, over: Over, found: &mut Vec<Found>) {
        match over {
            Over::Text(key) => self.close(context, found, |text| text.key == key),
            Over::Speaker(speaker) => self.close(context, found, |text| text.speaker == speaker),
            Over::All => self.close(context, found, |_| true),
            Over::Paused(speaker) => self.pause(context, found, |text| text.speaker == speaker),
        }
    }

    fn close(&mut self, context: &Context<'_>, found: &mut Vec<Found>, which: impl Fn(&Text) -> bool) {
        self.texts.retain_mut(|text| {
            let ends = which(text);
            if ends {
                text.scan(context, "", true, found);
            }
            !ends
        });
    }

    /// What is open is decided as if the text ended here. Where that finds nothing, the text can still go on: what its scan
    /// remembers stays.
    fn pause(&mut self, context: &Context<'_>, found: &mut Vec<Found>, which: impl Fn(&Text) -> bool) {
        self.texts.retain_mut(|text| {
            if !(text.is_open() && which(text)) {
                return true;
            }
            let (before, going_on) = (found.len(), text.channel.clone());
            text.scan(context, "", true, found);
            text.channel = going_on;
            text.open = 0;
            found.len() == before
        });
    }
}

impl Text {
    fn is_open(&self) -> bool {
        self.open > 0
    }

    fn decided(&self) -> u64 {
        self.length.saturating_sub(self.open.into())
    }

    fn scan(&mut self, context: &Context<'_>, piece: &str, end: bool, found: &mut Vec<Found>) -> u64 {
        let Self { channel, id, pointer, .. } = self;
        let mut report = |hit: Hit| found.push(Found { text: *id, hit, pointer: pointer.clone() });
        channel.feed(context.catalogue(), context.profile, context.aside(), (piece, end), &mut report)
    }
}

#[cfg(test)]
impl Texts {
    /// The bytes that they have on the heap.
    pub(super) fn heap(&self) -> usize {
        let of = |text: &Text| text.channel.heap() + text.pointer.len();
        self.texts.capacity() * size_of::<Text>() + self.texts.iter().map(of).sum::<usize>()
    }
}
