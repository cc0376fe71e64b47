//! The findings that a record has room for.

use super::FindingRecord;
use crate::scan::Action;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Deref;

/// The most findings that one record lists.
pub(crate) const MAX_FINDINGS: usize = 32;

/// What detectors found: as many as there is room for, in the order found, and how many there were beside. What more was done about
/// comes first: nothing that was redacted or refused is crowded out by what was only noted, however much of that there is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    listed: Vec<FindingRecord>,
    unlisted: u32,
    /// Whether any was to be replaced, listed or not.
    redacts: bool,
}

impl Findings {
    /// Adds a finding, in the place of a slighter one if there is no room.
    pub(crate) fn add(&mut self, finding: FindingRecord) {
        self.redacts |= finding.action == Action::Redact;
        if self.listed.len() < MAX_FINDINGS {
            return self.listed.push(finding);
        }
        self.unlisted = self.unlisted.saturating_add(1);
        if let Some((at, _)) = self.slightest().filter(|(_, action)| *action < finding.action) {
            self.listed.remove(at);
            self.listed.push(finding);
        }
    }

    /// The one to leave out first: of the slightest the one that came last, for the first are what others build on.
    fn slightest(&self) -> Option<(usize, Action)> {
        let slightest = (0_usize..).zip(&self.listed).min_by_key(|&(at, of)| (of.action, Reverse(at)));
        slightest.map(|(at, of)| (at, of.action))
    }

    /// Adds what was found elsewhere, behind what was found here.
    pub(crate) fn extend(&mut self, other: Self) {
        self.unlisted = self.unlisted.saturating_add(other.unlisted);
        self.redacts |= other.redacts;
        other.listed.into_iter().for_each(|finding| self.add(finding));
    }

    /// Whether what one more detector found would be told of, if no more than noted.
    pub(crate) fn has_room(&self) -> bool {
        self.listed.len() < MAX_FINDINGS
    }

    /// Lists half as many, the slightest left out.
    pub(crate) fn halve(&mut self) {
        let kept = self.listed.len() / 2;
        while let Some((at, _)) = self.slightest().filter(|_| self.listed.len() > kept) {
            self.listed.remove(at);
            self.unlisted = self.unlisted.saturating_add(1);
        }
    }

    /// How many were found that are not listed.
    pub fn unlisted(&self) -> u32 {
        self.unlisted
    }

    /// Whether something of it is to be replaced.
    pub fn redacts(&self) -> bool {
        self.redacts
    }
}

impl Deref for Findings {
    type Target = [FindingRecord];

    fn deref(&self) -> &[FindingRecord] {
        &self.listed
    }
}

impl IntoIterator for Findings {
    type Item = FindingRecord;
    type IntoIter = alloc::vec::IntoIter<FindingRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.listed.into_iter()
    }
}

impl FromIterator<FindingRecord> for Findings {
    fn from_iter<T: IntoIterator<Item = FindingRecord>>(findings: T) -> Self {
        let mut all = Self::default();
        findings.into_iter().for_each(|finding| all.add(finding));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Direction;
    use alloc::string::String;

    fn finding(offset: usize, action: Action) -> FindingRecord {
        FindingRecord {
            detector: "a".into(),
            direction: Direction::Response,
            pointer: String::new(),
            offset,
            length: 1,
            action,
            place: (0, 0),
        }
    }

    fn offsets(findings: &Findings) -> Vec<usize> {
        findings.iter().map(|finding| finding.offset).collect()
    }

    #[test]
    fn what_is_only_noted_does_not_crowd_out_what_is_redacted_or_refused() {
        let mut findings: Findings = (0..40).map(|at| finding(at, Action::Alert)).collect();
        assert_eq!((offsets(&findings), findings.unlisted()), ((0..32).collect(), 8));
        findings.add(finding(50, Action::Redact));
        findings.add(finding(51, Action::Block));
        findings.add(finding(52, Action::Alert));
        let kept: Vec<usize> = (0..30).chain([50, 51]).collect();
        assert_eq!((offsets(&findings), findings.unlisted()), (kept, 11));
        assert!(findings.redacts());
    }

    #[test]
    fn a_shorter_list_keeps_what_more_was_done_about() {
        let mut findings: Findings = (0..32).map(|at| finding(at, Action::Alert)).collect();
        findings.add(finding(50, Action::Redact));
        findings.add(finding(51, Action::Block));
        for listed in [16, 8, 4, 2] {
            findings.halve();
            assert_eq!((findings.len(), findings.len() + findings.unlisted() as usize), (listed, 34));
        }
        assert_eq!(offsets(&findings), [50, 51]);
        findings.halve();
        assert_eq!(offsets(&findings), [51]);
        assert!(findings.redacts(), "it was to be replaced, though it is not listed");
    }

    #[test]
    fn what_is_joined_is_counted_once() {
        let mut findings: Findings = (0..20).map(|at| finding(at, Action::Redact)).collect();
        findings.extend((20..60).map(|at| finding(at, Action::Block)).collect());
        assert_eq!(findings.len() + findings.unlisted() as usize, 60);
        assert_eq!(offsets(&findings), (20..52).collect::<Vec<_>>());
    }
}
