//! What detectors find and policy allows all the same: by the value, by the place, by the tool.

use super::detector::DetectorId;
use super::dfa::Dfa;
use super::profile::Profile;
use super::values::digest;
use super::{Catalogue, MAX_MATCH_LEN};
use crate::glob::Glob;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What asking may cost for all findings of a message or a text, in bytes of values. Beyond, nothing is an exception.
pub(super) const MOST_ASKED: u32 = 0x40_0000;
/// What asking for a value costs at least, and for a place.
const COST_OF_VALUE: usize = 64;
const COST_OF_PLACE: usize = 512;

/// Findings that are allowed: those that everything in it covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exception {
    /// The detectors, sorted; all where there are none.
    pub detectors: Vec<DetectorId>,
    /// What is found.
    pub value: Known,
    /// Where in a document, as a JSON pointer in steps, of which `*` stands for any; anywhere where there is none.
    pub at: Option<Vec<String>>,
    /// In calls of which tool, and what comes back for them.
    pub tool: Option<Glob>,
}

/// A value, or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Known {
    /// Any.
    Anything,
    /// The one with this digest, under a salt.
    Digest {
        /// The salt.
        salt: String,
        /// The digest.
        digest: Vec<u8>,
    },
    /// Those that are covered, whole.
    Pattern(Dfa),
}

/// Something that was found, as far as exceptions ask.
pub(super) struct Case<'c> {
    pub(super) detector: DetectorId,
    /// What was found; none where it is encoded.
    pub(super) value: Option<&'c [u8]>,
    pub(super) tool: Option<&'c str>,
}

impl Known {
    fn covers(&self, value: &[u8]) -> bool {
        match self {
            Self::Anything => true,
            Self::Digest { salt, digest: wanted } => digest(salt, value).as_slice() == wanted.as_slice(),
            Self::Pattern(dfa) => dfa.read(value, 0, MAX_MATCH_LEN).matched == Some(value.len()),
        }
    }
}

impl Exception {
    /// Derives what is not carried, and says whether it is sound.
    pub(super) fn prepare(&mut self, detectors: usize) -> bool {
        let pattern = match &mut self.value {
            Known::Pattern(dfa) => dfa.prepare(),
            Known::Anything | Known::Digest { .. } => true,
        };
        pattern && self.detectors.iter().all(|id| usize::from(id.0) < detectors)
    }

    /// Whether it covers what was found. `at` says whether steps lead there, `left` is what asking may still cost.
    fn covers(&self, case: &Case<'_>, at: &dyn Fn(&[String]) -> bool, left: &mut u32) -> bool {
        let mut spend = |cost: usize| match u32::try_from(cost).ok().and_then(|cost| left.checked_sub(cost)) {
            Some(less) => {
                *left = less;
                true
            }
            None => false,
        };
        let value = || case.value.unwrap_or_default();
        (self.detectors.is_empty() || self.detectors.contains(&case.detector))
            && self.tool.as_ref().is_none_or(|glob| case.tool.is_some_and(|tool| glob.matches(tool)))
            && (self.value == Known::Anything
                || (case.value.is_some()
                    && spend(value().len().saturating_add(COST_OF_VALUE))
                    && self.value.covers(value())))
            && self.at.as_ref().is_none_or(|steps| spend(COST_OF_PLACE) && at(steps))
    }
}

impl Catalogue {
    /// Whether a profile allows what was found.
    pub(super) fn allows(
        &self,
        profile: &Profile,
        case: &Case<'_>,
        at: &dyn Fn(&[String]) -> bool,
        left: &mut u32,
    ) -> bool {
        let exceptions = profile.allow.iter().filter_map(|id| self.exceptions.get(usize::from(*id)));
        exceptions.into_iter().any(|exception| exception.covers(case, at, left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const IBAN: DetectorId = DetectorId(0);
    const CARD: DetectorId = DetectorId(1);

    fn exception() -> Exception {
        Exception { detectors: vec![IBAN], value: Known::Anything, at: None, tool: None }
    }

    fn allows(exceptions: Vec<Exception>, case: &Case<'_>, steps: &[&str]) -> bool {
        let catalogue = Catalogue { exceptions, ..Catalogue::default() };
        let profile = Profile::new(Vec::new(), vec![7, 0]);
        let at = |wanted: &[String]| wanted.iter().map(String::as_str).eq(steps.iter().copied());
        catalogue.allows(&profile, case, &at, &mut { MOST_ASKED })
    }

    #[test]
    fn all_that_an_exception_says_must_hold() {
        let case = Case { detector: IBAN, value: Some(b"x1"), tool: Some("pay") };
        let known = |value: &[u8]| Known::Digest { salt: "s".into(), digest: digest("s", value).to_vec() };
        for (other, allowed) in [
            (exception(), true),
            (Exception { detectors: vec![], ..exception() }, true),
            (Exception { detectors: vec![CARD], ..exception() }, false),
            (Exception { value: known(b"x1"), ..exception() }, true),
            (Exception { value: known(b"x2"), ..exception() }, false),
            (Exception { value: known(b"x1"), detectors: vec![CARD], ..exception() }, false),
            (Exception { tool: Some(Glob::new("p*")), ..exception() }, true),
            (Exception { tool: Some(Glob::new("fetch")), value: known(b"x1"), ..exception() }, false),
            (Exception { at: Some(vec!["a".into()]), ..exception() }, true),
            (Exception { at: Some(vec!["b".into()]), tool: Some(Glob::new("pay")), ..exception() }, false),
        ] {
            assert_eq!(allows(vec![other.clone()], &case, &["a"]), allowed, "{other:?}");
        }
        // What is encoded has no value, and what is of no tool is of none.
        let case = Case { detector: IBAN, value: None, tool: None };
        assert!(allows(vec![exception()], &case, &[]));
        assert!(!allows(vec![Exception { value: known(b""), ..exception() }], &case, &[]));
        assert!(!allows(vec![Exception { tool: Some(Glob::new("*")), ..exception() }], &case, &[]));
        // Only the exceptions of the profile count, and those that there are.
        assert!(!allows(vec![], &case, &[]));
    }

    #[test]
    fn asking_ends_where_its_budget_does() {
        let digest = digest("", &[b'x'; 1000]).to_vec();
        let exceptions =
            vec![Exception { value: Known::Digest { salt: String::new(), digest }, ..exception() }];
        let catalogue = Catalogue { exceptions, ..Catalogue::default() };
        let profile = Profile::new(Vec::new(), vec![0]);
        let case = Case { detector: IBAN, value: Some(&[b'x'; 1000]), tool: None };
        let mut left = MOST_ASKED;
        let allowed =
            (0..5000).take_while(|_| catalogue.allows(&profile, &case, &|_| false, &mut left)).count();
        assert_eq!(allowed, usize::try_from(MOST_ASKED).unwrap() / (1000 + COST_OF_VALUE));
        assert!(!catalogue.allows(&profile, &case, &|_| false, &mut left));
    }

    #[test]
    fn of_two_profiles_only_what_both_allow_is_allowed() {
        let profile = |allow: &[u16]| Profile::new(Vec::new(), allow.to_vec());
        assert_eq!(profile(&[1, 2, 5]).stricter(&profile(&[0, 2, 5])).allow, [2, 5]);
        assert!(profile(&[1]).stricter(&profile(&[])).allow.is_empty());
    }
}
