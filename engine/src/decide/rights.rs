//! What a caller may use at all, with whatever arguments and at whatever time: for the lists of what a server offers.

use super::cover::fits;
use super::{Origin, is_on_trial, is_tool_name, rules};
use crate::glob::Glob;
use crate::operation::is_plain_uri;
use crate::policy::{Effect, Key, Lookup, McpMatch, Named, Operations, Policy, Rule};

/// Something that an MCP server offers, by what rules name it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Offer<'a> {
    /// A tool by its name.
    Tool(&'a str),
    /// A prompt by its name.
    Prompt(&'a str),
    /// A resource by its URI.
    Resource(&'a str),
    /// Resources by a template of their URIs: a variable in it stands for anything.
    Template(&'a Glob),
}

/// Whether the caller may use what is offered: some rule allows or holds it, and no deny takes it away whatever the arguments and the
/// time. A mission on trial takes nothing away, and lets everything go on that nobody else refuses.
pub(crate) fn may_call(policy: &Policy, origin: &Origin, offer: Offer<'_>) -> bool {
    let (mut granted, mut on_trial) = (false, false);
    for (mission, rule) in rules(policy, origin, offer.lookup()) {
        if !is_for(rule, origin) {
            continue;
        }
        let trial = is_on_trial(mission);
        on_trial |= trial;
        let Operations::Mcp(covered) = &rule.operations else { continue };
        match rule.effect {
            Effect::Allow | Effect::Hold => granted |= offer.is_granted(covered, rule.effect),
            Effect::Deny if !trial && is_certain(rule, covered) && offer.is_named(covered, Effect::Deny) => {
                return false;
            }
            Effect::Deny => {}
        }
    }
    granted || on_trial
}

/// Whether a rule is for this caller at this place.
fn is_for(rule: &Rule, origin: &Origin) -> bool {
    rule.conditions.as_ref().is_none_or(|conditions| {
        conditions.covers_source(origin.agent, &origin.caller)
            && conditions.covers_destination(rule.effect, &origin.authority)
    })
}

/// Whether a deny holds whatever the arguments and the time.
fn is_certain(rule: &Rule, covered: &McpMatch) -> bool {
    covered.arguments.is_none()
        && rule.conditions.as_ref().is_none_or(|conditions| conditions.windows.is_empty())
}

impl Offer<'_> {
    fn lookup(&self) -> Lookup {
        Lookup::Name(match self {
            Self::Tool(name) => Key::new(Named::Tool, name),
            Self::Prompt(name) => Key::new(Named::Prompt, name),
            Self::Resource(uri) => Key::new(Named::Resource, uri),
            Self::Template(_) => return Lookup::Everything,
        })
    }

    fn is_named(&self, covered: &McpMatch, effect: Effect) -> bool {
        match self {
            Self::Tool(name) => fits(&covered.tools, name, effect),
            Self::Prompt(name) => fits(&covered.prompts, name, effect),
            Self::Resource(uri) => fits(&covered.resources, uri, effect),
            // A deny that covers some of a template's resources leaves the others.
            Self::Template(template) => {
                effect != Effect::Deny && covered.resources.iter().any(|glob| glob.overlaps(template))
            }
        }
    }

    /// Whether a rule that grants names it, and it is something that can be granted.
    fn is_granted(&self, covered: &McpMatch, effect: Effect) -> bool {
        let grantable = match self {
            Self::Tool(name) => is_tool_name(name),
            Self::Resource(uri) => is_plain_uri(uri),
            Self::Prompt(_) | Self::Template(_) => true,
        };
        grantable && self.is_named(covered, effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Authority;
    use crate::identity::SpiffeId;
    use crate::policy::{
        AgentId, Arguments, Conditions, Mission, Mode, PolicyParts, ServiceId, Window, fixture,
    };

    fn origin() -> Origin {
        Origin {
            agent: AgentId(0),
            service: ServiceId(0),
            caller: SpiffeId::parse(b"spiffe://acme.internal/sa/research").unwrap(),
            authority: Authority::parse("tool-api").unwrap(),
        }
    }

    fn policy(change: impl FnOnce(&mut PolicyParts)) -> Policy {
        let mut parts = fixture::parts();
        change(&mut parts);
        Policy::new(parts).unwrap()
    }

    fn mcp(rule: &mut Rule) -> &mut McpMatch {
        match &mut rule.operations {
            Operations::Mcp(covered) => covered,
            _ => panic!("no rule of MCP"),
        }
    }

    fn tools(policy: &Policy) -> [bool; 6] {
        let names = ["search_docs", "fetch", "Fetch", "drop", "search_secrets", "search_d\u{43e}cs"];
        names.map(|name| may_call(policy, &origin(), Offer::Tool(name)))
    }

    #[test]
    fn what_rules_name_may_be_used_and_what_they_deny_may_not() {
        assert_eq!(tools(&policy(|_| ())), [true, true, false, false, false, false]);
        let elsewhere = Origin { service: ServiceId(1), ..origin() };
        assert!(!may_call(&policy(|_| ()), &elsewhere, Offer::Tool("fetch")));
    }

    #[test]
    fn a_deny_that_could_let_go_hides_nothing() {
        let with = |change: fn(&mut Rule)| tools(&policy(|parts| change(&mut parts.missions[0].rules[1])))[4];
        assert!(!with(|_| ()));
        assert!(with(|rule| mcp(rule).arguments = Some(Arguments { fields: Vec::new(), additional: true })));
        let window = Window {
            days: Window::EVERY_DAY,
            from: 0,
            until: 60,
            offset: 0,
            not_before: None,
            not_after: None,
        };
        let conditions = |conditions: Conditions| Some(Box::new(conditions));
        assert!(with(|rule| {
            let window = Window {
                days: Window::EVERY_DAY,
                from: 0,
                until: 60,
                offset: 0,
                not_before: None,
                not_after: None,
            };
            rule.conditions = Some(Box::new(Conditions { windows: vec![window], ..Conditions::default() }));
        }));
        assert!(with(|rule| {
            rule.conditions =
                Some(Box::new(Conditions { agents: vec![AgentId(1)], ..Conditions::default() }));
        }));
        // An allow for certain hours is one that can be used.
        let timed = policy(|parts| {
            parts.missions[0].rules[0].conditions =
                conditions(Conditions { windows: vec![window], ..Conditions::default() });
        });
        assert!(tools(&timed)[0]);
    }

    #[test]
    fn a_hold_shows_what_can_be_approved_of_and_a_trial_hides_nothing() {
        let held = policy(|parts| parts.missions[0].rules[0].effect = Effect::Hold);
        assert_eq!(tools(&held)[..2], [true, true]);
        let trial = policy(|parts| parts.missions[0].mode = Mode::Observe);
        assert_eq!(tools(&trial), [true; 6]);
        let beside = policy(|parts| {
            let rules = vec![parts.missions[0].rules[1].clone()];
            let mission = Mission { name: "firm".into(), mode: Mode::Enforce, rules };
            parts.missions[0].mode = Mode::Observe;
            parts.missions.push(mission);
            parts.agents[0].missions.push(crate::policy::MissionId(3));
        });
        assert_eq!(tools(&beside), [true, true, true, true, false, true]);
    }

    #[test]
    fn resources_go_by_their_uris_and_templates_by_what_they_could_be() {
        let policy = policy(|parts| {
            mcp(&mut parts.missions[0].rules[0]).resources = vec![Glob::new("docs://handbook/*")];
            mcp(&mut parts.missions[0].rules[1]).resources = vec![Glob::new("docs://handbook/pay/*")];
        });
        let may = |offer: Offer<'_>| may_call(&policy, &origin(), offer);
        assert!(may(Offer::Resource("docs://handbook/intro")));
        assert!(!may(Offer::Resource("docs://handbook/pay/1")));
        assert!(!may(Offer::Resource("docs://handbook/../x")));
        assert!(!may(Offer::Resource("docs://other/intro")));
        assert!(may(Offer::Template(&Glob::new("docs://*/*"))));
        assert!(!may(Offer::Template(&Glob::new("file:///*"))));
        assert!(!may(Offer::Prompt("summarise")));
    }
}
