//! What policy says of an operation: a walk over the agent's rules for one service.
//!
//! Any deny wins, else any allow; the order of missions and rules does not matter to the verdict. Of several rules with the same
//! effect, the record names the first in the order of the policy's names.

mod arguments;
mod cover;

use crate::http::RequestPath;
use crate::operation::{A2aCall, LlmCall, Message};
use crate::policy::{Agent, Effect, LlmApi, MissionId, Operations, Policy, Rule, ServiceId};
use crate::reason::Reason;
use alloc::boxed::Box;
use alloc::string::{String, ToString};

pub use cover::is_tool_name;

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
    Allow(Box<RuleName>),
    Deny { reason: Reason, rule: Option<Box<RuleName>> },
}

/// An operation as rules see it.
#[derive(Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// Plain HTTP.
    Http { method: &'a str, path: &'a RequestPath<'a> },
    /// What any grant of MCP carries along: the session's own GET and DELETE.
    McpSession,
    /// An MCP message.
    Mcp(&'a Message<'a>),
    /// What any grant of A2A carries along: the public agent card.
    A2aCard,
    /// An A2A request.
    A2a(&'a A2aCall<'a>),
    /// A gRPC method, as `package.Service/Method`.
    Grpc(&'a str),
    /// An API of a model, its body not yet read.
    LlmApi(LlmApi),
    /// A request to a model.
    Llm(&'a LlmCall<'a>),
}

/// The first part of an operation that a rule does not cover. The later it comes, the nearer the rule was, and the better it
/// explains a denial; so the order matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Miss {
    Host,
    Path,
    Method,
    Resource,
    Tool,
    Arguments,
}

impl From<Miss> for Reason {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Host => Self::ScopeHost,
            Miss::Path => Self::ScopePath,
            Miss::Method => Self::ScopeMethod,
            Miss::Resource => Self::ScopeResource,
            Miss::Tool => Self::ScopeTool,
            Miss::Arguments => Self::ScopeArguments,
        }
    }
}

/// Judges an operation at a service.
pub(crate) fn decide(policy: &Policy, agent: &Agent, service: ServiceId, asked: Asked<'_>) -> Decision {
    let mut allowed = None;
    let mut nearest = Miss::Host;
    for (mission, rule) in rules(policy, agent, service) {
        match (rule.effect, cover::cover(rule, asked)) {
            (Effect::Deny, Ok(())) => {
                return Decision::Deny {
                    reason: Reason::PolicyDenied,
                    rule: name(policy, mission, rule, asked),
                };
            }
            (Effect::Allow, Ok(())) => allowed = allowed.or_else(|| name(policy, mission, rule, asked)),
            (Effect::Allow, Err(miss)) => nearest = nearest.max(miss),
            (Effect::Deny, Err(_)) => {}
        }
    }
    match allowed {
        Some(rule) => Decision::Allow(rule),
        None => Decision::Deny { reason: nearest.into(), rule: None },
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

fn name(policy: &Policy, mission: MissionId, rule: &Rule, asked: Asked<'_>) -> Option<Box<RuleName>> {
    let path = match (&rule.operations, asked) {
        (Operations::Http(covered), Asked::Http { path, .. }) => {
            let exactly = covered.paths.iter().find(|template| template.matches(path));
            let template =
                exactly.or_else(|| covered.paths.iter().find(|template| template.matches_loosely(path)));
            template.map(|template| template.as_str().to_string())
        }
        _ => None,
    };
    let mission = policy.mission(mission)?.name.to_string();
    Some(Box::new(RuleName { mission, rule: rule.name.to_string(), path }))
}
