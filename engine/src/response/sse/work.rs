//! One piece of a stream: what it is judged by, what goes on of it, and what was found.

use super::held::Held;
use super::parser::Event;
use crate::policy::Otherwise;
use crate::reason::Reason;
use crate::record::Findings;
use crate::response::Context;
use crate::scan::{Action, Edit, Hit, Inspection, Inspector, Place, Structural};
use alloc::vec::Vec;

/// What a piece of the stream leads to.
pub(super) struct Work<'w> {
    pub(super) context: &'w Context<'w>,
    pub(super) out: Out<'w>,
    pub(super) findings: Findings,
}

/// What goes on: the piece that came, as far as it is the same.
pub(super) struct Out<'w> {
    piece: &'w [u8],
    same: usize,
    other: Option<Vec<u8>>,
}

impl<'w> Work<'w> {
    /// The longest event.
    pub(super) fn limit(&self) -> usize {
        usize::try_from(self.most_held()).unwrap_or(usize::MAX)
    }

    /// The most that is held, in bytes: as much as of a body that is judged whole.
    pub(super) fn most_held(&self) -> u32 {
        self.context.policy.parts().limits.max_body_bytes
    }

    /// Whether data that looks like JSON must have one reading.
    pub(super) fn is_strict(&self) -> bool {
        let settings = &self.context.policy.parts().settings;
        !self.context.is_lenient() || settings.unscannable == Otherwise::Deny
    }

    pub(super) fn inspector(&self) -> Inspector<'w> {
        self.context.inspector(Place::Response)
    }

    pub(super) fn inspect_text(&mut self, text: &[u8]) -> Result<Inspection, Reason> {
        let mut inspector = self.inspector();
        inspector.text(text);
        self.note(inspector.finish())
    }

    /// Notes what was found in a part of the stream, and refuses if that is asked for.
    pub(super) fn note(&mut self, mut seen: Inspection) -> Result<Inspection, Reason> {
        self.findings.extend(seen.findings.clone());
        seen.refusal.take().map_or(Ok(seen), Err)
    }

    /// Changes to an event's data, as changes to the event.
    pub(super) fn hold_edits(&self, event: &Event<'_>, seen: Inspection, held: &mut Held) {
        for Edit { start, end, with } in seen.edits {
            event.on_lines(start, end, with, |edit| held.edits.push(edit));
        }
    }

    /// More is held than may be. What is open is decided as if it ended there, unless policy would rather have an end of it all.
    pub(super) fn over_budget(&mut self) -> Result<(), Reason> {
        let detector = self.context.catalogue().structural(Structural::ScanBudget);
        let action =
            detector.map_or(Action::Block, |detector| self.context.profile.action(detector, Place::Response));
        match action {
            Action::Off => {}
            Action::Alert => {
                self.note_budget(action);
            }
            // There is nothing that could be replaced.
            Action::Redact | Action::Block => return Err(self.note_budget(Action::Block)),
        }
        Ok(())
    }

    /// Notes that there was too much to do, and says what that is refused with.
    pub(super) fn note_budget(&mut self, action: Action) -> Reason {
        let catalogue = self.context.catalogue();
        let Some(detector) = catalogue.structural(Structural::ScanBudget) else {
            return Reason::ResponseTooLarge;
        };
        let record = self.context.record(&Hit { detector, start: 0, end: 0, action, with: "".into() }, "");
        self.findings.add(record);
        catalogue.reason(detector)
    }
}

impl<'w> Out<'w> {
    pub(super) fn new(piece: &'w [u8]) -> Self {
        Self { piece, same: 0, other: None }
    }

    /// Lets bytes go on.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let end = self.same.saturating_add(bytes.len());
        match &mut self.other {
            None if self.piece.get(self.same..end) == Some(bytes) => self.same = end,
            None => {
                let mut other = self.piece.get(..self.same).unwrap_or_default().to_vec();
                other.extend_from_slice(bytes);
                self.other = Some(other);
            }
            Some(other) => other.extend_from_slice(bytes),
        }
    }

    /// What goes on instead of the piece, if anything.
    pub(super) fn instead(self) -> Option<Vec<u8>> {
        match self.other {
            None if self.same == self.piece.len() => None,
            None => Some(self.piece.get(..self.same).unwrap_or_default().to_vec()),
            other => other,
        }
    }
}
