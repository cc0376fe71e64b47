//! Missions: rules, and what they are made of.

use sallyport_engine::policy::{Conditions, Effect, Limit, Mission, Mode, Protocol, Rule};
use sallyport_engine::scan::Profile;

use super::capabilities::Capabilities;
use super::circumstances::{self, Callers};
use super::dlp::Profiles;
use super::names::{Names, distinct};
use super::operations::{Covered, Reader};
use crate::compile::{in_parallel, reported};
use crate::diagnostic::{Diagnostic, Diagnostics, Id};
use crate::shape::{Fields, Text};
use crate::source::{Document, bad_name, is_name};

/// The most rules of one mission.
const MOST_RULES: usize = 100_000;

/// A mission, and what detectors do for those who are on it.
pub(super) struct Read {
    pub(super) mission: Mission,
    /// `None` of a mission that only denies and names no profile: it says nothing of what passes.
    pub(super) profile: Option<Profile>,
}

/// What rules refer to.
pub(super) struct Context<'c, 'n> {
    pub(super) services: &'c Names<'n>,
    pub(super) spoken: &'c [Vec<Protocol>],
    pub(super) capabilities: &'c Capabilities<'n>,
    pub(super) callers: Callers<'c, 'n>,
}

/// Reads the missions, in the order of their names.
pub(super) fn read(
    missions: &[Document<'_, '_>],
    context: &Context<'_, '_>,
    profiles: &Profiles<'_>,
    out: &mut Diagnostics,
) -> Vec<Read> {
    let one = |mission: &Document<'_, '_>, out: &mut Diagnostics| {
        let rules = context.rules(mission.spec, out);
        let profile = profiles.named(mission.spec.text("dlp"), out);
        let (name, mode) = (mission.name.text.to_owned(), mode(mission.spec, Mode::Enforce));
        let grants = rules.iter().any(|rule| rule.effect != Effect::Deny);
        let speaks = grants || mission.spec.entry("dlp").is_some();
        Read { mission: Mission { name, mode, rules }, profile: speaks.then_some(profile) }
    };
    let read = in_parallel(missions, |mission| reported(|out| one(mission, out)));
    let collect = |(read, told)| {
        out.append(told);
        read
    };
    read.into_iter().map(collect).collect()
}

/// The `mode` of a Gate, an Agent or a Mission; `otherwise` if it says none.
pub(super) fn mode(spec: Fields<'_, '_>, otherwise: Mode) -> Mode {
    let word = spec.word("mode").map(|text| text.text);
    Mode::NAMES.iter().find(|(_, name)| word == Some(*name)).map_or(otherwise, |(mode, _)| *mode)
}

impl Context<'_, '_> {
    /// The rules of a mission, by name.
    fn rules(&self, spec: Fields<'_, '_>, out: &mut Diagnostics) -> Vec<Rule> {
        let of = |key, effect| spec.list(key).iter().map(move |node| (effect, Fields::of(node)));
        let rules =
            of("allow", Effect::Allow).chain(of("hold", Effect::Hold)).chain(of("deny", Effect::Deny));
        let mut named: Vec<_> =
            rules.filter_map(|(effect, fields)| Some((fields.text("name")?, effect, fields))).collect();
        named.sort_by_key(|(name, ..)| (name.text, name.at));
        let mut previous: Option<Text<'_>> = None;
        let mut read = Vec::with_capacity(named.len());
        for (name, effect, fields) in named {
            check_name(name, previous, out);
            previous = Some(name);
            self.rule(name, effect, fields, &mut read, out);
        }
        read
    }

    /// Reads one rule; it becomes one for each operation of the capabilities that it names.
    fn rule(
        &self,
        name: Text<'_>,
        effect: Effect,
        fields: Fields<'_, '_>,
        read: &mut Vec<Rule>,
        out: &mut Diagnostics,
    ) {
        let covered = self.covered(effect, fields, out);
        let conditions = circumstances::read(fields, &self.callers, out).map(Box::new);
        let limit = limit(effect, fields, out);
        if read.len().saturating_add(covered.len()) > MOST_RULES {
            let message = format!(
                "this Mission has more than {MOST_RULES} rules, those of capabilities counted one by one"
            );
            out.push(
                Diagnostic::new(Id::TooMany, name.at, message).help("divide it, or use patterns of names"),
            );
            return;
        }
        read.extend(covered.into_iter().map(|Covered { service, operations }| Rule {
            name: name.text.to_owned(),
            effect,
            service,
            operations,
            conditions: conditions.clone(),
            limit,
        }));
    }

    fn covered(&self, effect: Effect, fields: Fields<'_, '_>, out: &mut Diagnostics) -> Vec<Covered> {
        if fields.entry("capabilities").is_none() {
            let mut reader = Reader { services: self.services, spoken: self.spoken, out };
            return reader.operations(fields, effect).into_iter().collect();
        }
        if let Some(entry) = fields.entry("service") {
            let message = "`service` says nothing beside `capabilities`";
            let help = "leave it out: each capability says at which services its operations are";
            out.push(Diagnostic::new(Id::ConflictingKeys, entry.at, message).help(help));
        }
        let named = distinct(fields.texts("capabilities"), "capabilities", out);
        named.into_iter().flat_map(|name| self.capabilities.resolve(name, effect, out)).collect()
    }
}

fn check_name(name: Text<'_>, previous: Option<Text<'_>>, out: &mut Diagnostics) {
    if !is_name(name.text) {
        out.push(bad_name(name, is_name));
    }
    if let Some(previous) = previous.filter(|previous| previous.text == name.text) {
        let message = format!("two rules of this Mission are named `{}`", name.text);
        let help = "rename one of them, so that records tell them apart";
        let diagnostic = Diagnostic::new(Id::DuplicateName, name.at, message).help(help);
        out.push(diagnostic.also(previous.at, "the other one"));
    }
}

fn limit(effect: Effect, fields: Fields<'_, '_>, out: &mut Diagnostics) -> Option<Limit> {
    let entry = fields.entry("limit")?;
    if effect != Effect::Allow {
        let message = "`limit` says something in an `allow` rule only";
        let help = "leave it out: what this rule covers is refused every time";
        out.push(Diagnostic::new(Id::ConflictingKeys, entry.at, message).help(help));
        return None;
    }
    let limit = fields.object("limit");
    let seconds = limit.text("per").and_then(|text| circumstances::duration(text, out));
    let requests = limit.number("requests").and_then(|n| u32::try_from(n).ok())?;
    Some(Limit { requests, seconds: seconds? })
}

/// Whether any circumstance is asked for at all.
pub(super) fn asks_anything(conditions: &Conditions) -> bool {
    *conditions != Conditions::default()
}
