//! Text that passes in pieces. What is decided goes on at once; only what could still become a finding waits.

use super::{Context, Pushed};
use crate::exchange::End;
use crate::reply::Reply;
use crate::scan::{Action, Channel, Hit, Place};
use crate::sort::sort_by;
use alloc::string::String;
use alloc::vec::Vec;

/// What stands for a byte that is not UTF-8: as long as it, and a part of nothing that is looked for.
const SUBSTITUTE: char = '\u{1a}';

/// A text on its way to the caller.
#[derive(Debug)]
pub(crate) struct TextStream {
    channel: Channel,
    /// Bytes that have come and not gone on.
    held: Vec<u8>,
    /// The offset in the text of the first of them.
    base: u64,
    /// How many of them the channel has not seen: the beginning of a character, at most three bytes.
    unseen: usize,
    /// What was found in them.
    hits: Vec<Hit>,
}

impl TextStream {
    /// Begins a text. `escaped`: it holds JSON, or something like it.
    pub(crate) fn new(escaped: bool) -> Self {
        Self {
            channel: Channel::new(Place::Response, escaped),
            held: Vec::new(),
            base: 0,
            unseen: 0,
            hits: Vec::new(),
        }
    }

    /// Whether something is held back.
    pub(crate) fn holds_back(&self) -> bool {
        !self.held.is_empty()
    }

    /// Takes the next piece, cut anywhere.
    pub(crate) fn push(&mut self, context: &Context<'_>, piece: &[u8], end: End) -> Pushed {
        let undisturbed = self.held.is_empty();
        let seen = self.held.len().saturating_sub(self.unseen);
        self.held.extend_from_slice(piece);
        let last = end == End::Last;
        let (text, unseen) = readable(self.held.get(seen..).unwrap_or_default(), last);
        self.unseen = unseen;
        let hits = &mut self.hits;
        let mut report = |hit| hits.push(hit);
        let decided = self.channel.feed(
            context.catalogue(),
            context.profile,
            context.aside(),
            (&text, last),
            &mut report,
        );
        let mut pushed = Pushed::default();
        let mut out = Vec::with_capacity(self.held.len());
        let changed = self.release(context, decided, &mut out, &mut pushed);
        if let Some(reason) = &pushed.refusal {
            let reply = Reply::refuse(reason, context.memory.shape(context.memory.only_id()));
            out.extend_from_slice(reply.body.as_bytes());
            self.held = Vec::new();
        }
        let same = undisturbed && !changed && self.held.is_empty() && pushed.refusal.is_none();
        pushed.instead = (!same).then_some(out);
        pushed
    }

    /// Moves what is decided from `held` to `out`; says whether any of it was changed.
    fn release(
        &mut self,
        context: &Context<'_>,
        decided: u64,
        out: &mut Vec<u8>,
        pushed: &mut Pushed,
    ) -> bool {
        let mut changed = false;
        sort_by(&mut self.hits, |a, b| (a.start, a.end) < (b.start, b.end));
        // What begins before that is all known, and goes on whole: what is still open may be about its end.
        let is_ready = |hit: &&Hit| hit.start < decided || hit.end <= decided;
        let ready = self.hits.iter().take_while(is_ready).count();
        let hits: Vec<Hit> = self.hits.drain(..ready).collect();
        for hit in hits {
            if !hit.restores() {
                pushed.findings.add(context.record(&hit, ""));
            }
            if hit.action == Action::Block {
                self.take(hit.start, out);
                pushed.refusal = Some(context.catalogue().reason(hit.detector));
                return true;
            }
            // Of what two detectors share, the first decides what stands there.
            if !hit.with.is_empty() && hit.end > self.base {
                if hit.start >= self.base {
                    self.take(hit.start, out);
                    out.extend_from_slice(hit.with.as_bytes());
                }
                self.take(hit.end, &mut Vec::new());
                changed = true;
            }
        }
        self.take(decided, out);
        changed
    }

    /// Moves bytes up to an offset of the text.
    fn take(&mut self, to: u64, out: &mut Vec<u8>) {
        let count = usize::try_from(to.saturating_sub(self.base)).unwrap_or(usize::MAX).min(self.held.len());
        out.extend(self.held.drain(..count));
        self.base = self.base.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

/// Bytes as text of the same length, and how many at their end are the beginning of a character that is still to come.
fn readable(bytes: &[u8], last: bool) -> (String, usize) {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let error = match core::str::from_utf8(rest) {
            Ok(good) => {
                text.push_str(good);
                return (text, 0);
            }
            Err(error) => error,
        };
        let (good, bad) = rest.split_at_checked(error.valid_up_to()).unwrap_or((rest, &[]));
        text.push_str(core::str::from_utf8(good).unwrap_or_default());
        let wrong = match error.error_len() {
            None if !last => return (text, bad.len()),
            None => bad.len(),
            Some(wrong) => wrong,
        };
        text.extend(core::iter::repeat_n(SUBSTITUTE, wrong));
        rest = bad.get(wrong..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::readable;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_text_keeps_its_length() {
        for (bytes, last, text, unseen) in [
            (&b"caf\xc3\xa9"[..], false, "caf\u{e9}", 0),
            (b"caf\xc3", false, "caf", 1),
            (b"caf\xc3", true, "caf\u{1a}", 0),
            (b"a\xf0\x9f\x98", false, "a", 3),
            (b"a\xe9b\xff", false, "a\u{1a}b\u{1a}", 0),
            (b"\xe2\x82x", false, "\u{1a}\u{1a}x", 0),
        ] {
            assert_eq!(readable(bytes, last), (text.into(), unseen), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_bytes_are_cut(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac)], 0..40), cut in any::<prop::sample::Index>()) {
            let (one, rest) = bytes.split_at(cut.index(bytes.len() + 1));
            let (first, unseen) = readable(one, false);
            let again = [&one[one.len() - unseen..], rest].concat();
            let whole = readable(&bytes, true).0;
            prop_assert_eq!(whole.len(), bytes.len());
            prop_assert_eq!(first + &readable(&again, true).0, whole);
        }
    }
}
