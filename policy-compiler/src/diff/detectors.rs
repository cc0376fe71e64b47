//! What detectors do otherwise.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use sallyport_engine::policy::{PolicyParts, ProfileId};
use sallyport_engine::scan::{Action, Exception, Known, Place, Redaction, Treatment};

use super::Direction;

const PLACES: [(Place, &str); 3] =
    [(Place::Request, "requests"), (Place::Response, "responses"), (Place::Tools, "tools")];

/// What each detector that is on anywhere does by a profile, by id.
pub(super) type Detectors<'p> = BTreeMap<&'p str, Treatment>;

/// A detector, and what it did and does.
pub(super) type Changed<'p> = (&'p str, Treatment, Treatment);

/// What detectors do by a profile.
pub(super) fn of(profile: ProfileId, parts: &PolicyParts) -> Detectors<'_> {
    let profile = parts.profiles.get(usize::from(profile.0));
    let treatments = profile.map_or(&[][..], |profile| profile.treatments());
    let all = parts.catalogue.detectors.iter().zip(treatments);
    let on = all.filter(|(_, of)| PLACES.iter().any(|(place, _)| of.action(*place) != Action::Off));
    on.map(|(detector, of)| (detector.id.as_str(), *of)).collect()
}

/// The detectors that do something else.
pub(super) fn changed<'p>(old: &Detectors<'p>, new: &Detectors<'p>) -> Vec<Changed<'p>> {
    let ids: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let get = |of: &Detectors<'p>, id| of.get(id).copied().unwrap_or_default();
    ids.into_iter().map(|id| (id, get(old, id), get(new, id))).filter(|(_, was, is)| was != is).collect()
}

/// Whether more is possible then, and a sentence.
pub(super) fn told((id, was, is): &Changed<'_>) -> (Direction, String) {
    let orders = || PLACES.iter().map(|(place, _)| is.action(*place).cmp(&was.action(*place)));
    let direction = match (orders().any(Ordering::is_lt), orders().any(Ordering::is_gt)) {
        (true, false) => Direction::More,
        (false, true) => Direction::Less,
        (true, true) | (false, false) => Direction::Other,
    };
    let replaced = if was.redaction == is.redaction || orders().any(Ordering::is_ne) {
        String::new()
    } else {
        format!("; what is replaced becomes {}, was {}", redaction(is.redaction), redaction(was.redaction))
    };
    let (is, was) = (words(*is), words(*was));
    let comma = if is.contains(',') || was.contains(',') { ';' } else { ',' };
    (direction, format!("detector `{id}`: {is}{comma} was {was}{replaced}"))
}

/// What the profiles of a policy allow though it is found: sentences, by what tells one from another.
pub(super) fn allowed(parts: &PolicyParts) -> BTreeMap<String, String> {
    let ids: BTreeSet<usize> =
        parts.profiles.iter().flat_map(|profile| profile.allow.iter().map(|id| usize::from(*id))).collect();
    let exceptions = ids.into_iter().filter_map(|id| parts.catalogue.exceptions.get(id));
    exceptions.map(|exception| (identity(exception, parts), sentence(exception, parts))).collect()
}

fn names(exception: &Exception, parts: &PolicyParts) -> Vec<String> {
    let found = exception.detectors.iter().filter_map(|id| parts.catalogue.detector(*id));
    found.map(|detector| format!("`{}`", detector.id)).collect()
}

fn identity(exception: &Exception, parts: &PolicyParts) -> String {
    let Exception { detectors: _, value, at, tool } = exception;
    serde_json::to_string(&(names(exception, parts), value, at, tool)).unwrap_or_default()
}

fn sentence(exception: &Exception, parts: &PolicyParts) -> String {
    let names = names(exception, parts);
    let what = match &exception.value {
        Known::Anything => "anything",
        Known::Digest { .. } => "one value",
        Known::Pattern(_) => "values of one form",
    };
    let of = if names.is_empty() { "any detector".to_owned() } else { names.join(", ") };
    let at = exception.at.iter().map(|steps| format!(" at `/{}`", steps.join("/")));
    let tool = exception.tool.iter().map(|tool| format!(" in calls of tool `{}`", tool.as_str()));
    format!("{what} that {of} finds{}", at.chain(tool).collect::<String>())
}

/// One word where it is the same everywhere.
fn words(of: Treatment) -> String {
    if of.request == of.response && of.request == of.tools {
        return of.request.as_str().to_owned();
    }
    let words: Vec<_> =
        PLACES.iter().map(|(place, name)| format!("{} in {name}", of.action(*place).as_str())).collect();
    words.join(", ")
}

fn redaction(of: Redaction) -> String {
    match of {
        Redaction::Label => "a label".to_owned(),
        Redaction::Hash => "a hash".to_owned(),
        Redaction::Token => "a token".to_owned(),
        Redaction::Mask { first, last } => format!("a mask of {first} and {last}"),
    }
}
