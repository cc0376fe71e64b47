//! What whoever traces a decision can ask about a rule that was considered. Nothing here decides anything.

use super::arguments::{Holds, judge};
use super::cover::cover;
use super::{Asked, Considered, Miss};
use crate::http::{Authority, RequestPath};
use crate::json::Value;
use crate::operation::{Call, Message};
use crate::policy::{
    Arguments, Constraint, Element, Field, LlmApi, Operations, Policy, Presence, Protocol, Route, Service,
};
use crate::reason::Reason;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// What was asked of a rule. What the protocol does not have is empty. Names are the caller's: they are for whoever made the
/// request, and for no record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// The protocol that the request is judged by.
    pub protocol: Protocol,
    /// The HTTP, MCP, A2A or gRPC method, or the API of a model.
    pub method: String,
    /// The path, of plain HTTP.
    pub path: String,
    /// The tool, resource, prompt or model.
    pub name: String,
    /// The tools that a request to a model defines or replays.
    pub tools: Vec<String>,
    /// Whether this is only what any grant of the protocol carries along, or what the head of a request allows to judge.
    pub is_preliminary: bool,
}

/// Why the arguments of a tool call are not as a rule asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Gap {
    /// Nothing stands in the place of the constraint of this number.
    Missing(usize),
    /// What stands there is not what it asks for.
    Other(usize),
    /// The rule lets no argument be there that it does not name; this one is, if it can be named.
    Surplus(Option<String>),
}

impl Considered<'_> {
    /// What the rule was asked.
    pub fn question(&self) -> Question {
        Question::of(self.asked)
    }

    /// Whether the rule covers the operation, whoever asks for it where and when.
    pub fn operation(&self) -> Result<(), Miss> {
        cover(self.rule, self.rule.effect, self.asked)
    }

    /// Why the arguments are not as the rule asks; empty where the rule asks nothing of them.
    pub fn gaps(&self) -> Vec<Gap> {
        let Operations::Mcp(covered) = &self.rule.operations else { return Vec::new() };
        let Asked::Mcp(Message::Request { call: Call::Tool { arguments: given, .. }, .. }) = self.asked
        else {
            return Vec::new();
        };
        covered.arguments.as_ref().map_or_else(Vec::new, |asked| self.gaps_in(asked, *given))
    }

    /// Each constraint is judged alone, by what judges all of them.
    fn gaps_in(&self, asked: &Arguments, given: Option<Value<'_>>) -> Vec<Gap> {
        let satisfies = |asked: &Arguments| judge(asked, self.rule.effect, given) == Holds::Satisfied;
        let alone = |field: &Field| Arguments { fields: vec![field.clone()], additional: true };
        let is_there = |field: &Field| {
            let constraint = Constraint::One(Element::Any);
            satisfies(&alone(&Field { presence: Presence::Required, constraint, ..field.clone() }))
        };
        let mut gaps = Vec::new();
        for (at, field) in asked.fields.iter().enumerate().filter(|(_, field)| !satisfies(&alone(field))) {
            gaps.push(if is_there(field) { Gap::Other(at) } else { Gap::Missing(at) });
        }
        let anything = |field: &Field| Field {
            presence: Presence::Optional,
            constraint: Constraint::One(Element::Any),
            ..field.clone()
        };
        let places = Arguments { fields: asked.fields.iter().map(anything).collect(), ..asked.clone() };
        if given.is_some() && !satisfies(&places) {
            gaps.push(Gap::Surplus(surplus(asked, given)));
        }
        gaps
    }
}

/// The first argument that no constraint is about, or under.
fn surplus(asked: &Arguments, given: Option<Value<'_>>) -> Option<String> {
    let named = |key: &str| {
        let mut first = asked.fields.iter().filter_map(|field| field.pointer.first());
        first.any(|step| step == "*" || step == key)
    };
    given?.entries().map(|(key, _)| key).find(|key| !named(key)).map(|key| format!("/{key}"))
}

impl Question {
    fn of(asked: Asked<'_>) -> Self {
        let plain = |protocol, method: &str| Self {
            protocol,
            method: method.to_string(),
            path: String::new(),
            name: String::new(),
            tools: Vec::new(),
            is_preliminary: false,
        };
        match asked {
            Asked::Http { method, path } => Self { path: spelt(path), ..plain(Protocol::Http, method) },
            Asked::McpSession => Self { is_preliminary: true, ..plain(Protocol::Mcp, "") },
            Asked::Mcp(message) => {
                let name = match message {
                    Message::Request { call: Call::Tool { name, .. } | Call::Prompt { name }, .. } => {
                        name.as_ref()
                    }
                    Message::Request { call: Call::Resource { uri, .. }, .. } => uri.as_ref(),
                    _ => "",
                };
                Self { name: name.to_string(), ..plain(Protocol::Mcp, message.method().unwrap_or_default()) }
            }
            Asked::A2aCard => Self { is_preliminary: true, ..plain(Protocol::A2a, "") },
            Asked::A2a(call) => plain(Protocol::A2a, call.method.name()),
            Asked::Grpc(method) => plain(Protocol::Grpc, method),
            Asked::LlmApi(api) => Self { is_preliminary: true, ..plain(Protocol::Llm, api.name()) },
            Asked::LlmModels(model) => Self {
                name: model.unwrap_or_default().to_string(),
                ..plain(Protocol::Llm, LlmApi::Models.name())
            },
            Asked::Llm(call) => Self {
                name: call.model.to_string(),
                tools: call.tools.iter().map(ToString::to_string).collect(),
                ..plain(Protocol::Llm, call.api.name())
            },
        }
    }
}

fn spelt(path: &RequestPath<'_>) -> String {
    path.segments().iter().flat_map(|segment| ["/", segment]).collect()
}

impl Policy {
    /// The service and route that a request's authority and path lead to, as every request is led; `None` for an authority that is
    /// none, or no service's.
    pub fn destination(&self, authority: &str, path: &str) -> Option<(&Service, Result<&Route, Reason>)> {
        let service = self.service(self.service_at(&Authority::parse(authority).ok()?)?)?;
        let route = RequestPath::parse(path).map_err(Reason::from).and_then(|path| service.route(&path));
        Some((service, route))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Document;
    use crate::policy::fixture;

    /// The fixture's rule `read`: `path` below `/srv`, and nothing else.
    fn gaps(body: &str) -> Vec<Gap> {
        let parts = fixture::parts();
        let mission = &parts.missions[2];
        let document = Document::parse(body.as_bytes()).unwrap();
        let message = Message::read(document.root().unwrap()).ok().unwrap();
        let asked = Asked::Mcp(&message);
        let rule = &mission.rules[0];
        let considered = Considered { mission, rule, outcome: Err(Miss::Arguments), asked };
        assert_eq!(considered.question().name, "read");
        assert_eq!(considered.operation().is_ok(), considered.gaps().is_empty(), "{body}");
        considered.gaps()
    }

    fn call(arguments: &str) -> alloc::string::String {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"read"{arguments}}}}}"#)
    }

    #[test]
    fn there_are_gaps_exactly_where_a_rule_does_not_cover_the_arguments() {
        assert_eq!(gaps(&call(r#","arguments":{"path":"/srv/a"}"#)), []);
        assert_eq!(gaps(&call("")), [Gap::Missing(0)]);
        assert_eq!(gaps(&call(r#","arguments":{"path":"/etc"}"#)), [Gap::Other(0)]);
        let surplus = || Gap::Surplus(Some("/mode".to_string()));
        assert_eq!(gaps(&call(r#","arguments":{"path":"/srv/a","mode":1}"#)), [surplus()]);
        assert_eq!(gaps(&call(r#","arguments":{"mode":1}"#)), [Gap::Missing(0), surplus()]);
    }

    #[test]
    fn a_destination_is_where_requests_are_led() {
        let policy = fixture::policy();
        let led = |authority, path| {
            let (service, route) = policy.destination(authority, path)?;
            Some((service.name.as_str(), route.map(|route| route.path.as_str())))
        };
        assert_eq!(led("tool-api", "/mcp"), Some(("tool-api", Ok("/mcp"))));
        assert_eq!(led("other:8080", "/none"), Some(("other", Err(Reason::ScopePath))));
        assert_eq!(led("tool-api", "/a/../b"), Some(("tool-api", Err(Reason::RequestAmbiguous))));
        assert_eq!((led("other:80", "/api/x"), led("nowhere", "/"), led("a b", "/")), (None, None, None));
    }
}
