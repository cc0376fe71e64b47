//! Looking through a whole text: folded, as it stands, and what is encoded in it.

use super::encoded::{self, Decoded};
use super::fold::fold;
use super::hosts::{self, Announced, HostFinding, HostRisk};
use super::pass::{Memory, Pass, Work};
use super::profile::{Action, Place, Profile};
use super::{Catalogue, Match, Structural};
use crate::bytes;
use alloc::vec::Vec;

/// How deep encodings are resolved.
pub(super) const MAX_DEPTH: u8 = 2;

/// Who looks, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looker<'p> {
    pub catalogue: &'p Catalogue,
    /// What is done about findings; without one every detector runs.
    pub profile: Option<&'p Profile>,
    pub place: Place,
}

/// Something that was found in a text, and whether what stands there is an encoding of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub found: Match,
    pub encoded: bool,
}

impl<'p> Looker<'p> {
    pub(super) fn pass(&self, raw: bool) -> Pass<'p> {
        Pass { catalogue: self.catalogue, profile: self.profile, place: self.place, raw }
    }

    /// Whether the engine's own code is to look for something here, and under which number.
    pub(super) fn wants(&self, which: Structural) -> Option<super::DetectorId> {
        let id = self.catalogue.structural(which)?;
        let action = self.profile.map_or(Action::Alert, |profile| profile.action(id, self.place));
        (action != Action::Off).then_some(id)
    }

    /// Reports what is found in a text. `given` are groups of context words that stand before it, such as in its JSON key; those in
    /// the text itself are returned.
    pub(super) fn text(
        &self,
        text: &[u8],
        given: &[u8],
        depth: u8,
        work: &mut Work,
        report: &mut dyn FnMut(Found),
    ) -> Vec<u8> {
        let folded = if bytes::are_ascii(text) { None } else { core::str::from_utf8(text).ok().map(fold) };
        let view = folded.as_ref().map_or(text, |folded| folded.bytes());
        let place = |start: usize, end: usize| match &folded {
            Some(folded) => folded.original_range(start, end),
            None => (start, end),
        };
        let mut memory = Memory::given(given);
        let mut here = |found: Match, encoded| {
            let (start, end) = place(found.start, found.end);
            report(Found { found: Match { start, end, ..found }, encoded });
        };
        self.pass(false).run(view, 0, false, &mut memory, work, &mut |found| here(found, false));
        if depth > 0 {
            self.encoded(view, depth, &mut memory, work, &mut |found| here(found, true));
        }
        if memory.hosts.is_some() || hosts::could_be_host(view) {
            let announced = memory.hosts.take().unwrap_or_default();
            self.hosts(view, &announced, &mut |found| here(found, false));
        }
        if folded.is_some() {
            let mut memory = Memory::given(given);
            let mut as_it_stands = |found| report(Found { found, encoded: false });
            self.pass(true).run(text, 0, false, &mut memory, work, &mut as_it_stands);
        }
        memory.groups()
    }

    fn encoded(
        &self,
        view: &[u8],
        depth: u8,
        memory: &mut Memory,
        work: &mut Work,
        report: &mut dyn FnMut(Match),
    ) {
        let mut decoded: Vec<Decoded> = Vec::new();
        if memory.escapes {
            encoded::escaped(view, 0, |stretch| decoded.extend(encoded::unescape(view, stretch)));
        }
        encoded::runs(view, 0, false, |run| encoded::decode_run(view, run, |of| decoded.push(of)));
        for of in &decoded {
            self.decoded(of, depth, memory, work, report);
        }
    }

    /// Looks through what was decoded.
    pub(super) fn decoded(
        &self,
        decoded: &Decoded,
        depth: u8,
        memory: &mut Memory,
        work: &mut Work,
        report: &mut dyn FnMut(Match),
    ) {
        if !work.spend_decoded(decoded.bytes.len()) {
            return;
        }
        self.text(&decoded.bytes, &[], depth.saturating_sub(1), work, &mut |Found { found, .. }| {
            let (start, end) = decoded.place(found.start, found.end);
            let found = Match { start, end, ..found };
            if !memory.knows(found) {
                memory.note(found);
                report(found);
            }
        });
    }

    fn hosts(&self, view: &[u8], announced: &Announced, report: &mut dyn FnMut(Match)) {
        let wanted = [Structural::MetadataHost, Structural::PrivateHost, Structural::DangerousScheme];
        if wanted.iter().all(|&which| self.wants(which).is_none()) {
            return;
        }
        let Ok(text) = core::str::from_utf8(view) else { return };
        for HostFinding { start, end, risk } in hosts::find(text, announced) {
            let which = match risk {
                HostRisk::Metadata => Structural::MetadataHost,
                HostRisk::Loopback | HostRisk::LinkLocal | HostRisk::Private => Structural::PrivateHost,
                HostRisk::DangerousScheme => Structural::DangerousScheme,
            };
            // Documents name such schemes; who has something fetched gives the URL and nothing else.
            let whole = text.get(..start).is_some_and(|before| before.trim_start().is_empty())
                && !text.trim().contains(char::is_whitespace);
            let quoted = risk == HostRisk::DangerousScheme && !whole;
            if let Some(detector) = self.wants(which).filter(|_| !quoted) {
                report(Match { detector, start, end });
            }
        }
    }
}
