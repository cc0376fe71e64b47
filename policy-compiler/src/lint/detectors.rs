//! `idle-detector`, `pack-off`, and `never-matches` of what a DlpProfile allows.

use sallyport_engine::glob::Glob;
use sallyport_engine::policy::{Effect, Operations};
use sallyport_engine::scan::{
    self, Action, Catalogue, DetectorId, Dfa, Finder, Pattern, Profile, Treatment, look,
};

use super::view::View;
use crate::detectors::Tables;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::patterns;
use crate::shape::{Fields, Text};
use crate::source::Document;
use crate::sources::Span;

pub(super) fn report(view: &View<'_, '_, '_>, out: &mut Diagnostics) {
    for detector in &view.detectors {
        idle(view, detector, out);
    }
    for profile in &view.profiles {
        packs(profile, out);
        for node in profile.spec.list("allow") {
            exception(view, Fields::of(node), node.span, out);
        }
    }
}

fn is_off(of: Treatment) -> bool {
    [of.request, of.response, of.tools].iter().all(|action| *action == Action::Off)
}

/// A detector of the policy that is off in every profile that counts for somebody.
fn idle(view: &View<'_, '_, '_>, detector: &Document<'_, '_>, out: &mut Diagnostics) {
    let profiles = &view.policy.parts().profiles;
    let Some(at) = place(&view.policy.parts().catalogue, detector.name.text) else { return };
    let on = |profile: &Profile| profile.treatments().get(at).is_some_and(|of| !is_off(*of));
    if !profiles.is_empty() && !profiles.iter().any(on) {
        let name = detector.name.text;
        let message = format!("Detector `{name}` looks for nothing: it is off wherever a profile counts");
        let help = format!("name `{name}` in a DlpProfile, turn the pack `custom` on there, or remove it");
        out.push(Diagnostic::new(Id::IdleDetector, detector.name.at, message).help(help));
    }
}

fn place(catalogue: &Catalogue, id: &str) -> Option<usize> {
    catalogue.detectors.binary_search_by(|of| of.id.as_str().cmp(id)).ok()
}

/// A pack that is on by default, and turned off as a whole.
fn packs(profile: &Document<'_, '_>, out: &mut Diagnostics) {
    let tables: &Tables = crate::detectors::tables();
    for entry in profile.spec.object("packs").entries() {
        let off = Text::as_written(&entry.node).is_some_and(|word| word.text == "off");
        let of_pack =
            tables.packs.iter().zip(tables.default.treatments()).filter(|(pack, _)| ***pack == *entry.key);
        let on = of_pack.filter(|(_, treatment)| !is_off(**treatment)).count();
        if off && on > 0 {
            let message = format!(
                "with the pack `{}` off, {on} detectors do not look that are on by default",
                entry.key
            );
            let help = "turn off the detectors that are in the way, or let them `alert`; if all have to go, waive this with the reason";
            out.push(Diagnostic::new(Id::PackOff, entry.at, message).help(help));
        }
    }
}

/// What a profile allows, and nothing finds.
fn exception(view: &View<'_, '_, '_>, fields: Fields<'_, '_>, at: Span, out: &mut Diagnostics) {
    let catalogue = &view.policy.parts().catalogue;
    let ids: Vec<DetectorId> = fields
        .texts("detectors")
        .filter_map(|id| place(catalogue, id.text).and_then(|at| u16::try_from(at).ok()).map(DetectorId))
        .collect();
    let mut warn = |at: Span, message: String, help: &str| {
        out.push(Diagnostic::new(Id::NeverMatches, at, message).help(help));
    };
    if let Some(tool) = fields.text("tool").filter(|tool| !is_granted(view, &Glob::new(tool.text))) {
        let message = format!("no rule grants a tool `{}`", tool.text);
        return warn(tool.at, message, "name a tool that agents may call, or remove the entry");
    }
    if let Some(text) = fields.word("text").filter(|text| !is_found(catalogue, &ids, text.text)) {
        let message = "none of these detectors finds this text as a whole".to_owned();
        let help = "write what `policy-compiler scan` says is found, no more and no less";
        return warn(text.at, message, help);
    }
    if let Some(pattern) = fields.word("pattern")
        && let Ok(dfa) = patterns::dfa(pattern.text)
        && !ids.is_empty()
        && !ids.iter().any(|id| could_share(catalogue, *id, &dfa))
    {
        let message = "nothing that these detectors find is covered by this pattern".to_owned();
        return warn(pattern.at, message, "the pattern covers what is found from beginning to end");
    }
    let off = |id: &DetectorId| {
        let all = &view.policy.parts().profiles;
        let action =
            |profile: &Profile| profile.treatments().get(usize::from(id.0)).copied().unwrap_or_default();
        !all.is_empty() && all.iter().all(|profile| is_off(action(profile)))
    };
    if !ids.is_empty() && ids.iter().all(off) {
        let at = fields.entry("detectors").map_or(at, |entry| entry.at);
        let message = "these detectors are off wherever a profile counts".to_owned();
        warn(at, message, "turn one of them on, or remove the entry");
    }
}

/// Whether any rule could grant a tool of this name.
fn is_granted(view: &View<'_, '_, '_>, tool: &Glob) -> bool {
    view.rules().filter(|rule| rule.rule.effect != Effect::Deny).any(|rule| match &rule.rule.operations {
        Operations::Mcp(covered) => covered.tools.iter().any(|known| known.overlaps(tool)),
        _ => false,
    })
}

/// Whether a detector finds a text as a whole, as far as the text alone can tell.
fn is_found(catalogue: &Catalogue, ids: &[DetectorId], text: &str) -> bool {
    let named = |id: DetectorId| ids.is_empty() || ids.contains(&id);
    let all = (0..).zip(&catalogue.detectors).map(|(at, of)| (DetectorId(at), of));
    let mut depends =
        all.filter(|(id, _)| named(*id) && !ids.is_empty()).map(|(_, of)| simple(&of.finder).is_none());
    let found = look(catalogue, text.as_bytes());
    depends.any(|depends| depends)
        || found.iter().any(|found| named(found.detector) && (found.start, found.end) == (0, text.len()))
}

/// The pattern of a detector that judges a match by itself: not by what stands around it, nor by a part of it.
fn simple(finder: &Finder) -> Option<&Pattern> {
    match finder {
        scan::Finder::Pattern(pattern) if pattern.context.is_none() && pattern.value.is_none() => {
            Some(pattern)
        }
        _ => None,
    }
}

/// Whether there is a text that a detector's matches and a pattern both cover, as far as the patterns can tell.
fn could_share(catalogue: &Catalogue, id: DetectorId, pattern: &Dfa) -> bool {
    let Some(finder) = catalogue.detector(id).map(|of| &of.finder) else { return true };
    let Some(of) = simple(finder) else { return true };
    let start = (of.dfa.start(), pattern.start());
    let (mut seen, mut open) = (std::collections::BTreeSet::from([start]), vec![start]);
    while let Some((a, b)) = open.pop() {
        if of.dfa.accepts_in(a) && pattern.accepts_in(b) {
            return true;
        }
        for byte in 0..=u8::MAX {
            let next = (of.dfa.step(a, byte), pattern.step(b, byte));
            if next.0 != 0 && next.1 != 0 && seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}
