//! One logical text that arrives in pieces.

use super::{Action, Catalogue, DetectorId, Place, Profile};
use crate::json::unescape_loosely;
use alloc::string::String;

/// The state between pieces.
#[derive(Debug)]
pub(crate) struct Channel {
    json: bool,
    text: String,
}

/// Something that was found.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) detector: DetectorId,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) action: Action,
    pub(crate) with: String,
}

impl Channel {
    /// `json`: escapes are resolved before matching.
    pub(crate) fn new(_: Place, json: bool) -> Self {
        Self { json, text: String::new() }
    }

    /// Takes the next piece; the offset up to which everything is decided.
    pub(crate) fn feed(
        &mut self,
        catalogue: &Catalogue,
        profile: &Profile,
        piece: &str,
        end: bool,
        report: &mut dyn FnMut(Hit),
    ) -> u64 {
        self.text.push_str(piece);
        if !end {
            return 0;
        }
        let small = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut tell = |text: &[u8]| {
            catalogue.scan(profile, text, |found| {
                report(Hit {
                    detector: found.detector,
                    start: small(found.start),
                    end: small(found.end),
                    action: profile.action(found.detector),
                    with: String::new(),
                });
            });
        };
        tell(self.text.as_bytes());
        if self.json && self.text.contains('\\') {
            tell(unescape_loosely(&self.text).as_bytes());
        }
        small(self.text.len())
    }
}
