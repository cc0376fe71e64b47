//! `shadowed` and `redundant`: `allow` rules that change nothing, because rules that refuse or another `allow` rule cover them whole.
//!
//! Only what is certain is reported: one rule must cover all of the other, without any condition of its own. Rules are looked
//! up by the names in them, so that the time it takes grows with what is written and not with its square.

use std::borrow::Cow;

use sallyport_engine::policy::{Effect, LlmMatch, McpMatch, MissionId, Mode, Operations};

use super::cover;
use super::view::{RuleView, View};
use crate::compile::in_parallel;
use crate::diagnostic::{Diagnostic, Diagnostics, Id};

/// The keys that say what a rule covers, or nothing about it. A rule with any other may cover less.
const PLAIN_KEYS: [&str; 9] =
    ["name", "service", "waivers", "capabilities", "http", "mcp", "a2a", "grpc", "llm"];

/// The rules that could cover others, by service, protocol and each name that they cover.
#[derive(Default)]
struct Index<'i, 'v, 'n, 's> {
    /// Those of exact names, sorted.
    exact: Vec<(Place<'i>, &'i RuleView<'v, 'n, 's>)>,
    /// Those of patterns, sorted by the text in front of what varies, and within that as they are written.
    patterns: Vec<(Place<'i>, &'i RuleView<'v, 'n, 's>)>,
    /// For each pattern, the next before it whose text in front its own begins with.
    wider: Vec<Option<usize>>,
}
type Place<'i> = (u16, &'static str, Cow<'i, str>);

/// What could cover rules of other missions than their own.
pub(super) struct Shadows<'i, 'v, 'n, 's> {
    /// For each mission, the others that every agent on it has as well.
    together: Vec<Vec<usize>>,
    /// The `deny` rules of each mission, and its `hold` rules; none of one that does not enforce them.
    refusals: [Vec<Index<'i, 'v, 'n, 's>>; 2],
}

impl<'i, 'v, 'n, 's> Shadows<'i, 'v, 'n, 's> {
    pub(super) fn new(view: &'i View<'v, 'n, 's>) -> Self {
        let missions: Vec<_> = (0..view.missions.len()).collect();
        let refusals = [Effect::Deny, Effect::Hold].map(|effect| {
            in_parallel(&missions, |mission| match enforces(view, *mission) {
                true => index(view, *mission, effect),
                false => Index::default(),
            })
        });
        let number = |id: &MissionId| usize::from(id.0);
        let mut common: Vec<Option<Vec<usize>>> = vec![None; view.missions.len()];
        for agent in &view.policy.parts().agents {
            let held: Vec<_> = agent.missions.iter().map(number).collect();
            for mission in &held {
                match common.get_mut(*mission) {
                    Some(Some(common)) => common.retain(|other| held.binary_search(other).is_ok()),
                    Some(none) => {
                        *none = Some(held.iter().copied().filter(|other| other != mission).collect())
                    }
                    None => {}
                }
            }
        }
        Self { together: common.into_iter().map(Option::unwrap_or_default).collect(), refusals }
    }

    pub(super) fn report_mission(&self, view: &View<'_, '_, '_>, mission: usize, out: &mut Diagnostics) {
        let others = self.together.get(mission).into_iter().flatten().copied();
        let refusing: Vec<_> = std::iter::once(mission).chain(others).collect();
        let allows = index(view, mission, Effect::Allow);
        // A rule that names capabilities is several, all of which must be covered.
        for parts in view.rules_of(mission).chunk_by(|a, b| a.name == b.name) {
            let Some(rule) = parts.first().filter(|rule| rule.allows()) else { continue };
            let refused = |part| {
                let mut of_missions =
                    self.refusals.iter().flat_map(|of| refusing.iter().filter_map(|at| of.get(*at)));
                of_missions.find_map(|index| coverer(index, part, false))
            };
            let allowed = |part| coverer(&allows, part, true);
            let counts = rule.fields.entry("limit").is_some();
            if let Some(by) = all_covered(parts, refused) {
                report_shadowed(rule, &by, out);
            } else if let Some(by) = all_covered(parts, allowed).filter(|_| !counts) {
                report_redundant(rule, &by, out);
            }
        }
    }
}

fn enforces(view: &View<'_, '_, '_>, mission: usize) -> bool {
    let mission = view.policy.parts().missions.get(mission);
    mission.is_some_and(|mission| mission.mode == Mode::Enforce)
}

/// The rules that cover the parts, if all of them are covered.
fn all_covered<'p, 'v, 'n, 's>(
    parts: &'p [RuleView<'v, 'n, 's>],
    by: impl Fn(&'p RuleView<'v, 'n, 's>) -> Option<&'p RuleView<'v, 'n, 's>>,
) -> Option<Vec<&'p RuleView<'v, 'n, 's>>> {
    let mut covering = parts.iter().map(by).collect::<Option<Vec<_>>>()?;
    covering.dedup_by_key(|rule| rule.name);
    Some(covering)
}

fn report_shadowed(rule: &RuleView<'_, '_, '_>, by: &[&RuleView<'_, '_, '_>], out: &mut Diagnostics) {
    let done = |by: &RuleView<'_, '_, '_>| if by.rule.effect == Effect::Hold { "held" } else { "denied" };
    let holds = by.iter().filter(|by| by.rule.effect == Effect::Hold).count();
    let (what, help) = match (holds == 0, holds == by.len()) {
        (true, _) => ("denied", "remove the rule, or narrow the other; a deny wins over every allow"),
        (_, true) => (
            "held for approval",
            "remove the rule, or narrow the other; a hold wins over every allow, and needs none beside it",
        ),
        (false, false) => (
            "denied or held for approval",
            "remove the rule, or narrow the others; they win over every allow",
        ),
    };
    let message = format!("rule `{}` allows nothing: {} {what}", rule.name.text, all_of_it(rule));
    let diagnostic = Diagnostic::new(Id::Shadowed, rule.name.at, message);
    let elsewhere = |by: &RuleView<'_, '_, '_>| match by.mission.text == rule.mission.text {
        true => format!("{} here", done(by)),
        false => format!("{} here, and Mission `{}` is what all its agents have", done(by), by.mission.text),
    };
    let diagnostic = diagnostic.help(help);
    out.push(by.iter().fold(diagnostic, |diagnostic, by| diagnostic.also(by.name.at, elsewhere(by))));
}

fn report_redundant(rule: &RuleView<'_, '_, '_>, by: &[&RuleView<'_, '_, '_>], out: &mut Diagnostics) {
    let message = format!("rule `{}` adds nothing: {} allowed already", rule.name.text, all_of_it(rule));
    let diagnostic = Diagnostic::new(Id::Redundant, rule.name.at, message);
    let help = "remove the rule, or narrow the other if it was meant to be narrower";
    let diagnostic = diagnostic.help(help);
    out.push(by.iter().fold(diagnostic, |diagnostic, by| diagnostic.also(by.name.at, "allowed here")));
}

fn all_of_it(rule: &RuleView<'_, '_, '_>) -> &'static str {
    if rule.fields.entry("capabilities").is_some() {
        "all that its capabilities cover is"
    } else {
        "all that it names is"
    }
}

fn index<'i, 'v, 'n, 's>(
    view: &'i View<'v, 'n, 's>,
    mission: usize,
    effect: Effect,
) -> Index<'i, 'v, 'n, 's> {
    let mut index = Index::default();
    let rules = view.rules_of(mission).iter().filter(|rule| rule.rule.effect == effect);
    for rule in rules.filter(|rule| is_plain(rule)) {
        let (service, protocol) = (rule.rule.service.0, rule.protocol());
        each_name(&rule.rule.operations, &mut |name| match is_exact(name) {
            true => index.exact.push(((service, protocol, as_read(name, effect)), rule)),
            false => index.patterns.push(((service, protocol, as_read(front(name), effect)), rule)),
        });
    }
    index.exact.sort_by(|(a, _), (b, _)| a.cmp(b));
    index.patterns.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (at, (place, _)) in index.patterns.iter().enumerate() {
        let begins =
            |other: &usize| index.patterns.get(*other).is_some_and(|(other, _)| is_before(other, place));
        let mut other = at.checked_sub(1);
        while let Some(known) = other.filter(|other| !begins(other)) {
            other = index.wider.get(known).copied().flatten();
        }
        index.wider.push(other);
    }
    index
}

impl<'i, 'v, 'n, 's> Index<'i, 'v, 'n, 's> {
    /// The rules that name exactly this.
    fn named<'a>(
        &'a self,
        place: &'a Place<'_>,
    ) -> impl Iterator<Item = &'i RuleView<'v, 'n, 's>> + use<'a, 'i, 'v, 'n, 's> {
        let from = self.exact.partition_point(|(known, _)| known < place);
        self.exact.iter().skip(from).take_while(move |(known, _)| known == place).map(|(_, rule)| *rule)
    }

    /// The rules with patterns that could cover what begins with a text, the narrowest first.
    fn around<'a>(
        &'a self,
        place: &'a Place<'_>,
    ) -> impl Iterator<Item = &'i RuleView<'v, 'n, 's>> + use<'a, 'i, 'v, 'n, 's> {
        let last = self.patterns.partition_point(|(known, _)| known <= place).checked_sub(1);
        let wider = |at: &usize| self.wider.get(*at).copied().flatten();
        let fits = move |at: &usize| self.patterns.get(*at).is_some_and(|(known, _)| is_before(known, place));
        std::iter::successors(last, wider).filter(fits).filter_map(|at| Some(self.patterns.get(at)?.1))
    }
}

/// Whether what is at the second place begins with what is at the first.
fn is_before(one: &Place<'_>, other: &Place<'_>) -> bool {
    (one.0, one.1) == (other.0, other.1) && other.2.starts_with(&*one.2)
}

/// What stands in a pattern before anything that varies. `/a/**` covers `/a` too.
fn front(name: &str) -> &str {
    name.split(['*', '{']).next().unwrap_or_default().trim_end_matches('/')
}

/// A name as rules of an effect read it: an `allow` to the letter, what refuses in any case, and with or without a slash at the end.
fn as_read(name: &str, effect: Effect) -> Cow<'_, str> {
    if effect == Effect::Allow {
        return Cow::Borrowed(name);
    }
    let name = name.strip_suffix('/').unwrap_or(name);
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

fn is_exact(name: &str) -> bool {
    !name.contains(['*', '{'])
}

/// Whether nothing but its operations says when the rule applies.
fn is_plain(rule: &RuleView<'_, '_, '_>) -> bool {
    let constrained = matches!(&rule.rule.operations, Operations::Mcp(McpMatch { arguments: Some(_), .. }));
    !constrained && rule.fields.entries().iter().all(|entry| PLAIN_KEYS.contains(&&*entry.key))
}

/// What a rule names. Another must cover every one of them to cover the rule.
fn each_name<'o>(operations: &'o Operations, take: &mut dyn FnMut(&'o str)) {
    match operations {
        Operations::Http(http) => http.paths.iter().for_each(|path| take(path.as_str())),
        Operations::Mcp(mcp) => {
            let lists = [&mcp.tools, &mcp.resources, &mcp.prompts, &mcp.methods];
            lists.into_iter().flatten().for_each(|glob| take(glob.as_str()));
        }
        Operations::A2a(a2a) => a2a.methods.iter().for_each(|method| take(method.name())),
        Operations::Grpc(grpc) => grpc.methods.iter().for_each(|glob| take(glob.as_str())),
        Operations::Llm(llm) => llm.models.iter().for_each(|glob| take(glob.as_str())),
    }
}

/// A rule of the index that covers all of a rule. Of two that cover each other, the first by name stays.
fn coverer<'i, 'v, 'n, 's>(
    index: &Index<'i, 'v, 'n, 's>,
    rule: &RuleView<'_, '_, '_>,
    allow: bool,
) -> Option<&'i RuleView<'v, 'n, 's>> {
    let mut first = None;
    each_name(&rule.rule.operations, &mut |name| first = first.or(Some(name)));
    let effect = if allow { Effect::Allow } else { Effect::Deny };
    let place = |name| (rule.rule.service.0, rule.protocol(), as_read(name, effect));
    let covers = |other: &&RuleView<'_, '_, '_>| {
        let (wide, narrow) = (&other.rule.operations, &rule.rule.operations);
        let same = other.name == rule.name;
        let both = || allow && is_plain(rule) && covers(narrow, wide, allow);
        !same && covers(wide, narrow, allow) && !(both() && other.name.text > rule.name.text)
    };
    let first = first.unwrap_or_default();
    let exact = is_exact(first).then(|| index.named(&place(first)).find(covers)).flatten();
    exact.or_else(|| index.around(&place(front(first))).filter(covers).last())
}

/// Whether all that `narrow` names is covered by `wide`, which allows, or refuses.
fn covers(wide: &Operations, narrow: &Operations, allow: bool) -> bool {
    match (wide, narrow) {
        (Operations::Http(wide), Operations::Http(narrow)) => {
            let any = !allow && wide.methods.is_empty();
            (any || narrow.methods.iter().all(|method| wide.methods.contains(method)))
                && cover::paths(&wide.paths, &narrow.paths, !allow)
        }
        (Operations::Mcp(wide), Operations::Mcp(narrow)) => {
            cover::globs(&wide.tools, &narrow.tools, !allow)
                && cover::globs(&wide.resources, &narrow.resources, !allow)
                && cover::globs(&wide.prompts, &narrow.prompts, !allow)
                && cover::globs(&wide.methods, &narrow.methods, !allow)
        }
        (Operations::A2a(wide), Operations::A2a(narrow)) => {
            narrow.methods.iter().all(|method| wide.methods.contains(method))
                && (!allow || cover::hosts(&wide.push_hosts, &narrow.push_hosts))
        }
        (Operations::Grpc(wide), Operations::Grpc(narrow)) => {
            cover::globs(&wide.methods, &narrow.methods, !allow)
        }
        (Operations::Llm(wide), Operations::Llm(narrow)) => covers_models(wide, narrow, allow),
        _ => false,
    }
}

/// A deny with tools speaks only of requests that have them.
fn covers_models(wide: &LlmMatch, narrow: &LlmMatch, allow: bool) -> bool {
    let tools = if allow { cover::globs(&wide.tools, &narrow.tools, !allow) } else { wide.tools.is_empty() };
    narrow.apis.iter().all(|api| wide.apis.contains(api))
        && cover::globs(&wide.models, &narrow.models, !allow)
        && tools
}
