//! What policy says of an operation: a walk over the agent's rules for one service.
//!
//! A deny wins over a hold, a hold over an allow; the order of missions and rules does not matter to the verdict. Of several rules
//! with the same effect, the record names the first in the order of the policy's names. What rules of a mission on trial would
//! refuse is said, and is for the caller to let go.

mod arguments;
mod cover;
mod rights;
mod tally;
mod trace;

use crate::http::{Authority, RequestPath};
use crate::identity::SpiffeId;
use crate::operation::{A2aCall, Call, LlmCall, Message};
use crate::policy::{AgentId, Effect, Key, LlmApi, Lookup, Mission, Mode, Named, Policy, Rule, ServiceId};
use crate::reason::Reason;
use crate::surroundings::Surroundings;
use alloc::boxed::Box;
use alloc::string::String;

pub use arguments::is_plain_path;
pub use cover::is_tool_name;
pub(crate) use rights::{Offer, may_call};
use tally::Tally;
pub use trace::{Gap, Question};

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
    Refuse(Refusal),
}

/// Why policy says no.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) rule: Option<Box<RuleName>>,
    /// Only because of a mission on trial: it is to be noted, and the request goes on.
    pub(crate) on_trial: bool,
}

/// Who asks, and where: what stays the same for all of an exchange.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) agent: AgentId,
    pub(crate) service: ServiceId,
    pub(crate) caller: SpiffeId,
    pub(crate) authority: Authority,
}

/// An operation as rules see it.
#[derive(Clone, Copy, Debug)]
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
    /// The list of models, or one of them by its id.
    LlmModels(Option<&'a str>),
    /// A request to a model.
    Llm(&'a LlmCall<'a>),
}

/// The first part of a request that a rule does not cover. The later it comes, the nearer the rule was, and the better it explains
/// a denial; so the order matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Miss {
    /// It is for other callers.
    Source,
    /// It is for another host or port.
    Host,
    /// It is for another path, or another protocol.
    Path,
    /// It is for another method.
    Method,
    /// It is for another resource, prompt or model.
    Resource,
    /// It is for another tool.
    Tool,
    /// It asks for other arguments.
    Arguments,
    /// It is for another time.
    Time,
}

/// A rule that was considered.
#[derive(Clone, Copy, Debug)]
pub struct Considered<'p> {
    /// The mission it belongs to.
    pub mission: &'p Mission,
    /// The rule.
    pub rule: &'p Rule,
    /// Whether it covers the request, and if not, the first part that it does not cover.
    pub outcome: Result<(), Miss>,
    asked: Asked<'p>,
}

impl From<Miss> for Reason {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Source | Miss::Host => Self::ScopeHost,
            Miss::Path => Self::ScopePath,
            Miss::Method => Self::ScopeMethod,
            Miss::Resource => Self::ScopeResource,
            Miss::Tool => Self::ScopeTool,
            Miss::Arguments => Self::ScopeArguments,
            Miss::Time => Self::ScopeTime,
        }
    }
}

/// Judges an operation.
pub(crate) fn decide(
    policy: &Policy,
    around: &dyn Surroundings,
    origin: &Origin,
    asked: Asked<'_>,
) -> Decision {
    let mut tally = Tally::default();
    let lookup = if around.wants_every_rule() { Lookup::Everything } else { asked.lookup() };
    for (mission, rule) in rules(policy, origin, lookup) {
        let outcome = judge(around, origin, rule, rule.effect, asked);
        around.considered(&Considered { mission, rule, outcome, asked });
        tally.take(mission, rule, asked, outcome);
        // A limit restricts, so it counts what a server could take for what its rule covers, whoever allows that.
        if rule.limit.is_some()
            && (outcome.is_ok() || judge(around, origin, rule, Effect::Deny, asked).is_ok())
        {
            tally.limit(mission, rule);
        }
    }
    tally.conclude(policy, around, origin, asked)
}

/// The rules of the agent's missions for the service.
fn rules<'p>(
    policy: &'p Policy,
    origin: &Origin,
    lookup: Lookup,
) -> impl Iterator<Item = (&'p Mission, &'p Rule)> {
    let missions = policy.agent(origin.agent).map_or(&[][..], |agent| agent.missions.as_slice());
    let service = origin.service;
    missions.iter().flat_map(move |&id| policy.rules_met(id, service, lookup))
}

impl Asked<'_> {
    /// How to find the rules that could matter.
    fn lookup(&self) -> Lookup {
        match self {
            Self::Http { path, .. } => {
                Lookup::Name(Key::new(Named::Path, path.segments().first().map_or("", AsRef::as_ref)))
            }
            Self::McpSession | Self::Mcp(Message::Response) => Lookup::Nothing,
            Self::Mcp(Message::Notification { method, .. }) => Lookup::Name(Key::new(Named::Method, method)),
            Self::Mcp(Message::Request { method, call, .. }) => Lookup::Name(match call {
                Call::Tool { name, .. } => Key::new(Named::Tool, name),
                Call::Resource { uri, .. } => Key::new(Named::Resource, uri),
                Call::Prompt { name } => Key::new(Named::Prompt, name),
                Call::Housekeeping | Call::List(_) | Call::Other => Key::new(Named::Method, method),
            }),
            Self::Grpc(method) => Lookup::Name(Key::new(Named::Grpc, method)),
            Self::A2aCard | Self::A2a(_) | Self::LlmApi(_) | Self::LlmModels(_) | Self::Llm(_) => {
                Lookup::Everything
            }
        }
    }
}

/// Names are read as `names` reads them: see [`cover::cover`].
fn judge(
    around: &dyn Surroundings,
    origin: &Origin,
    rule: &Rule,
    names: Effect,
    asked: Asked<'_>,
) -> Result<(), Miss> {
    let Some(conditions) = &rule.conditions else { return cover::cover(rule, names, asked) };
    if !conditions.covers_source(origin.agent, &origin.caller) {
        return Err(Miss::Source);
    }
    if !conditions.covers_destination(rule.effect, &origin.authority) {
        return Err(Miss::Host);
    }
    cover::cover(rule, names, asked)?;
    if conditions.is_time(rule.effect, || around.unix_time()) { Ok(()) } else { Err(Miss::Time) }
}

/// Whether a mission's refusals are only noted.
fn is_on_trial(mission: &Mission) -> bool {
    mission.mode == Mode::Observe
}
