//! DLP profiles: an action for each detector, by name in policy and by number in a bundle.

use std::collections::BTreeMap;

use sallyport_engine::policy::ProfileId;
use sallyport_engine::scan::{Action, Catalogue, Profile, Treatment};

use super::names::Names;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::language::Kind;
use crate::shape::Text;
use crate::source::Document;
use crate::sources::Span;
use crate::suggest::did_you_mean;

/// The profiles that policy names, and those that agents need.
pub(super) struct Profiles<'n> {
    names: Names<'n>,
    named: Vec<Profile>,
    default: Profile,
    /// Each distinct profile of an agent, with the number it was first asked for under.
    needed: BTreeMap<Vec<Treatment>, u16>,
    /// Where the first agent stands whose profile has no number left.
    overflow: Option<Span>,
}

impl<'n> Profiles<'n> {
    /// Reads every DlpProfile; actions start from the catalogue's defaults.
    pub(super) fn new(documents: &[Document<'n, '_>], catalogue: &Catalogue, out: &mut Diagnostics) -> Self {
        let names = Names::new(Kind::DlpProfile, documents, out);
        let default = crate::detectors::tables().default.clone();
        let named = documents.iter().map(|document| read(document, catalogue, &default, out)).collect();
        Self { names, named, default, needed: BTreeMap::new(), overflow: None }
    }

    /// Makes the Gate's profile the one of missions that name none.
    pub(super) fn set_default(&mut self, gate: Option<&Document<'_, '_>>, out: &mut Diagnostics) {
        if let Some(name) = gate.and_then(|gate| gate.spec.text("dlp")) {
            self.default = self.named(Some(name), out);
        }
    }

    /// The profile of a name; the default for none, and for one that there is not.
    pub(super) fn named(&self, name: Option<Text<'_>>, out: &mut Diagnostics) -> Profile {
        let number = name.and_then(|name| self.names.resolve(name, out));
        let profile = number.and_then(|number| self.named.get(usize::from(number)));
        profile.unwrap_or(&self.default).clone()
    }

    /// The number of the profile that is the strictest of several, detector by detector; of the default for none.
    pub(super) fn strictest<'p>(&mut self, of: impl Iterator<Item = &'p Profile>, agent: Span) -> ProfileId {
        let strictest = of
            .map(|profile| profile.treatments.clone())
            .reduce(|a, b| a.into_iter().zip(b).map(|(a, b)| stricter(a, b)).collect());
        let actions = strictest.unwrap_or_else(|| self.default.treatments.clone());
        let Ok(next) = u16::try_from(self.needed.len()) else {
            self.overflow.get_or_insert(agent);
            return ProfileId(u16::MAX);
        };
        ProfileId(*self.needed.entry(actions).or_insert(next))
    }

    /// The table that the numbers point into.
    pub(super) fn into_table(self, out: &mut Diagnostics) -> Vec<Profile> {
        self.names.report_unused(out);
        if let Some(at) = self.overflow {
            let message = format!("agents need more than {} different DLP profiles", u16::MAX);
            out.push(Diagnostic::new(Id::TooMany, at, message).help("let missions share profiles"));
        }
        let mut table: Vec<_> =
            self.needed.into_iter().map(|(treatments, number)| (number, Profile { treatments })).collect();
        table.sort_by_key(|(number, _)| *number);
        table.into_iter().map(|(_, profile)| profile).collect()
    }
}

fn read(
    document: &Document<'_, '_>,
    catalogue: &Catalogue,
    default: &Profile,
    out: &mut Diagnostics,
) -> Profile {
    let mut profile = default.clone();
    let detectors = document.spec.object("detectors").entries();
    if let (true, Some(entry)) = (detectors.is_empty(), document.spec.entry("detectors")) {
        let message = "`detectors` is empty";
        let help = "name at least one detector, or remove this profile: it would be the default one";
        out.push(Diagnostic::new(Id::EmptyList, entry.at, message).help(help));
    }
    for entry in detectors {
        let action = Text::as_written(&entry.node).and_then(|text| action(text.text));
        let at = catalogue.detectors.binary_search_by(|detector| detector.id.as_str().cmp(&entry.key));
        let Ok(at) = at else {
            let ids = || catalogue.detectors.iter().map(|detector| detector.id.as_str());
            let help = did_you_mean(&entry.key, ids())
                .unwrap_or_else(|| "`policy-compiler reference` lists the detectors".to_owned());
            let message = format!("there is no detector `{}`", entry.key);
            out.push(Diagnostic::new(Id::UnknownDetector, entry.at, message).help(help));
            continue;
        };
        if let (Some(action), Some(slot)) = (action, profile.treatments.get_mut(at)) {
            let redaction = slot.redaction;
            *slot = Treatment { request: action, response: action, tools: action, redaction };
        }
    }
    profile
}

/// The stricter treatment, place by place.
fn stricter(a: Treatment, b: Treatment) -> Treatment {
    Treatment {
        request: a.request.max(b.request),
        response: a.response.max(b.response),
        tools: a.tools.max(b.tools),
        redaction: a.redaction.min(b.redaction),
    }
}

fn action(word: &str) -> Option<Action> {
    Action::ALL.into_iter().find(|action| action.as_str() == word)
}
