//! What policy says of an operation: a walk over the agent's rules for one service.
//!
//! Any deny wins, else any allow; the order of missions and rules does not matter to the verdict. Of several rules with the same
//! effect, the record names the first in the order of the policy's names.

use crate::glob::Glob;
use crate::http::{PathTemplate, RequestPath};
use crate::operation::{Call, Feature, Message};
use crate::policy::{Agent, Effect, HttpMatch, McpMatch, MissionId, Operations, Policy, Rule, ServiceId};
use crate::reason::Reason;
use alloc::string::{String, ToString};

/// The rule that decided, by its names.
#[derive(Clone, Debug)]
pub(crate) struct RuleName {
    pub(crate) mission: String,
    pub(crate) rule: String,
    /// The path template that covers the request, for plain HTTP.
    pub(crate) path: Option<String>,
}

/// What policy says.
#[derive(Debug)]
pub(crate) enum Decision {
    Allow(RuleName),
    Deny { reason: Reason, rule: Option<RuleName> },
}

/// How much of an operation a rule covers; the nearest miss explains a denial best, so the order matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Coverage {
    Nothing,
    Host,
    Path,
    Method,
    All,
}

/// An operation as rules see it.
pub(crate) enum Asked<'a> {
    Http {
        method: &'a str,
        path: &'a RequestPath<'a>,
    },
    /// `None` stands for the session's own GET and DELETE.
    Mcp(Option<&'a Message<'a>>),
}

/// Judges an operation at a service.
pub(crate) fn decide(policy: &Policy, agent: &Agent, service: ServiceId, asked: &Asked<'_>) -> Decision {
    let mut allowed = None;
    let mut nearest = Coverage::Nothing;
    for (mission, rule) in rules(policy, agent, service) {
        let coverage = cover(rule, asked);
        match (rule.effect, coverage) {
            (Effect::Deny, Coverage::All) => {
                return Decision::Deny {
                    reason: Reason::PolicyDenied,
                    rule: name(policy, mission, rule, asked),
                };
            }
            (Effect::Allow, Coverage::All) => {
                allowed = allowed.or_else(|| name(policy, mission, rule, asked))
            }
            (Effect::Allow, coverage) => nearest = nearest.max(coverage),
            (Effect::Deny, _) => {}
        }
    }
    match allowed {
        Some(rule) => Decision::Allow(rule),
        None => Decision::Deny { reason: missing(nearest, asked), rule: None },
    }
}

fn rules<'p>(
    policy: &'p Policy,
    agent: &'p Agent,
    at: ServiceId,
) -> impl Iterator<Item = (MissionId, &'p Rule)> {
    let missions = agent.missions.iter().filter_map(|&id| Some((id, policy.mission(id)?)));
    let rules = missions.flat_map(|(id, mission)| mission.rules.iter().map(move |rule| (id, rule)));
    rules.filter(move |(_, rule)| rule.service == at)
}

fn name(policy: &Policy, mission: MissionId, rule: &Rule, asked: &Asked<'_>) -> Option<RuleName> {
    let path = match (&rule.operations, asked) {
        (Operations::Http(covered), Asked::Http { path, .. }) => covered
            .paths
            .iter()
            .find(|template| template.matches_loosely(path))
            .map(|template| template.as_str().to_string()),
        _ => None,
    };
    Some(RuleName { mission: policy.mission(mission)?.name.to_string(), rule: rule.name.to_string(), path })
}

/// Why nothing allowed it: the first part of the operation that no rule covers.
fn missing(nearest: Coverage, asked: &Asked<'_>) -> Reason {
    match (nearest, asked) {
        (Coverage::Nothing, _) => Reason::ScopeHost,
        (Coverage::Host, _) => Reason::ScopePath,
        (Coverage::Path, _) => Reason::ScopeMethod,
        (_, Asked::Mcp(Some(Message::Request { call: Call::Tool { .. }, .. }))) => Reason::ScopeTool,
        (_, Asked::Mcp(_)) => Reason::ScopeResource,
        (_, Asked::Http { .. }) => Reason::ScopeMethod,
    }
}

fn cover(rule: &Rule, asked: &Asked<'_>) -> Coverage {
    match (&rule.operations, asked) {
        (Operations::Http(covered), Asked::Http { method, path }) => {
            cover_http(covered, rule.effect, method, path)
        }
        (Operations::Mcp(covered), Asked::Mcp(message)) => cover_mcp(covered, rule.effect, *message),
        _ => Coverage::Host,
    }
}

fn cover_http(covered: &HttpMatch, effect: Effect, method: &str, path: &RequestPath<'_>) -> Coverage {
    let matches = |template: &PathTemplate| match effect {
        Effect::Allow => template.matches(path),
        Effect::Deny => template.matches_loosely(path),
    };
    if !covered.paths.iter().any(matches) {
        return Coverage::Host;
    }
    if covered.methods.iter().any(|known| known == method) { Coverage::All } else { Coverage::Path }
}

fn cover_mcp(covered: &McpMatch, effect: Effect, message: Option<&Message<'_>>) -> Coverage {
    let fits = |globs: &[Glob], text: &str| {
        globs.iter().any(|glob| match effect {
            Effect::Allow => glob.matches(text),
            Effect::Deny => glob.matches_ignoring_case(text),
        })
    };
    let session = effect == Effect::Allow;
    let whole = |covered: bool, else_: Coverage| if covered { Coverage::All } else { else_ };
    match message {
        None | Some(Message::Response) => whole(session, Coverage::Path),
        Some(Message::Notification { method }) => {
            whole(session || fits(&covered.methods, method), Coverage::Path)
        }
        Some(Message::Request { method, call, .. }) => match call {
            Call::Housekeeping => whole(session || fits(&covered.methods, method), Coverage::Path),
            Call::List(feature) => {
                let carried = session && offers(covered, *feature);
                whole(carried || fits(&covered.methods, method), Coverage::Path)
            }
            Call::Tool { name } => {
                let grantable = effect == Effect::Deny || is_tool_name(name);
                whole(grantable && fits(&covered.tools, name), Coverage::Method)
            }
            Call::Resource { uri, .. } => whole(fits(&covered.resources, uri), Coverage::Method),
            Call::Prompt { name } => whole(fits(&covered.prompts, name), Coverage::Method),
            Call::Other => whole(fits(&covered.methods, method), Coverage::Path),
        },
    }
}

/// A grant of some of a feature carries the list of it.
fn offers(covered: &McpMatch, feature: Feature) -> bool {
    match feature {
        Feature::Tools => !covered.tools.is_empty(),
        Feature::Resources => !covered.resources.is_empty(),
        Feature::Prompts => !covered.prompts.is_empty(),
    }
}

/// The most bytes of a tool's name.
const MAX_TOOL_NAME_LEN: usize = 128;

/// Whether a name keeps to SEP-986. What does not is never granted, not even by `*`: look-alikes live there.
pub fn is_tool_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/');
    (1..=MAX_TOOL_NAME_LEN).contains(&name.len()) && name.bytes().all(allowed)
}
