//! Values that are known only by their digests: every word of a text that is as long as one of them is looked up.

use super::detector::{Finder, SetId};
use super::pass::{Match, Memory, Open, Pass, Work};
use super::profile::Action;
use crate::digest::sha256;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The bytes of a digest.
pub const DIGEST_BYTES: usize = 16;
/// What looking a word up costs beyond its length, in bytes that a pattern reads.
const COST: usize = 48;

/// Values by their digests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// The bytes of words: a value is a word, with none of them beside it.
    pub set: SetId,
    /// How long the values are, in bytes.
    pub lengths: Vec<u8>,
    /// What is before each value when its digest is made.
    pub salt: String,
    /// The digests, sorted, one behind the other.
    pub digests: Vec<u8>,
}

/// The digest of a value under a salt: the first half of the SHA-256 of the salt, a colon, and the value.
pub fn digest(salt: &str, value: &[u8]) -> [u8; DIGEST_BYTES] {
    sha256(&[salt.as_bytes(), b":", value]).first_chunk().copied().unwrap_or_default()
}

impl Values {
    /// Whether the tables are sound, for so many sets of bytes.
    pub(super) fn is_sound(&self, sets: usize) -> bool {
        let (digests, rest) = self.digests.as_chunks::<DIGEST_BYTES>();
        let sorted = digests.iter().zip(digests.iter().skip(1)).all(|(a, b)| a < b);
        usize::from(self.set.0) < sets && rest.is_empty() && sorted
    }

    fn holds(&self, word: &[u8]) -> bool {
        let (digests, _) = self.digests.as_chunks::<DIGEST_BYTES>();
        digests.binary_search(&digest(&self.salt, word)).is_ok()
    }
}

impl Pass<'_> {
    /// Looks up the words from byte `from` on. One that goes on beyond the end of a text that may go on stays open.
    #[expect(clippy::too_many_arguments, reason = "what a pass works with, piece by piece")]
    pub(super) fn look_up(
        &self,
        text: &[u8],
        from: usize,
        more: bool,
        memory: &mut Memory,
        work: &mut Work,
        open: &mut Open,
        report: &mut dyn FnMut(Match),
    ) {
        for &id in &self.catalogue.listed {
            let action = self.action(id);
            let Some(Finder::Values(values)) = self.catalogue.detector(id).map(|of| &of.finder) else {
                continue;
            };
            if action == Action::Off || self.raw {
                continue;
            }
            let set = self.catalogue.set(values.set);
            let run = |at: usize, inside: bool| {
                let rest = text.get(at..).unwrap_or_default().iter();
                at.saturating_add(rest.take_while(|&&byte| set.contains(byte) == inside).count())
            };
            // A word that began before was looked up, or was too long.
            let begun =
                from.checked_sub(1).and_then(|at| text.get(at)).is_some_and(|&byte| set.contains(byte));
            let mut end = if begun { run(from, true) } else { from };
            loop {
                let start = run(end, false);
                end = run(start, true);
                let length = u8::try_from(end.saturating_sub(start)).unwrap_or(u8::MAX);
                if start >= text.len() {
                    break;
                }
                if more && end == text.len() {
                    if values.lengths.iter().any(|&of| of >= length) {
                        open.again = open.again.min(start);
                        if action >= Action::Redact {
                            open.hold = open.hold.min(start);
                        }
                    }
                    break;
                }
                let word = text.get(start..end).unwrap_or_default();
                if values.lengths.contains(&length)
                    && work.spend(word.len().saturating_add(COST))
                    && values.holds(word)
                {
                    found(Match { detector: id, start, end }, memory, report);
                }
            }
        }
    }
}

fn found(found: Match, memory: &mut Memory, report: &mut dyn FnMut(Match)) {
    if !memory.knows(found) {
        memory.note(found);
        report(found);
    }
}
