//! A rule cut into its smallest parts: one operation each, and what is asked beside it.

use std::collections::BTreeMap;

use sallyport_engine::glob::Glob;
use sallyport_engine::http::HostPattern;
use sallyport_engine::policy::{
    A2aMatch, AgentId, Arguments, Constraint, Effect, Element, LlmMatch, McpMatch, Mode, Operations, Rule,
};

use super::scope::{covers_glob, covers_path, globs_overlap, paths_overlap, plain_path};
use crate::describe;

/// One operation at one service. Names may be patterns.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Operation {
    pub(super) service: String,
    pub(super) kind: Kind,
    /// A method, an API; empty where the kind needs none.
    pub(super) verb: &'static str,
    /// The method where it is any word, of plain HTTP; empty for any method.
    pub(super) method: String,
    /// What it is done to: a tool, a path, a model.
    pub(super) name: String,
    /// Only as far as a server could take that for what this covers; empty for all of it.
    pub(super) within: String,
}

/// What kind of operation it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Http,
    McpTool,
    McpResource,
    McpPrompt,
    McpMethod,
    A2a,
    Grpc,
    Llm,
}

/// What must hold beside the operation: clauses by a key that is equal where they are equal in meaning.
pub(super) type Asks = BTreeMap<String, String>;

/// What one part of a rule says.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Grant {
    pub(super) effect: Effect,
    pub(super) operation: Operation,
    pub(super) asks: Asks,
    /// How often it is granted; a mission on trial only notes what is more.
    pub(super) limit: Option<String>,
    /// Whether it is a mission's on trial: then it refuses nothing.
    pub(super) on_trial: bool,
    /// Whether it is not named, and comes along with what is.
    pub(super) carried: bool,
}

/// The parts of a rule, as they concern one agent; none where the rule is for other agents.
pub(super) fn grants(rule: &Rule, service: &str, agent: AgentId, mode: Mode) -> Vec<Grant> {
    if !is_for(rule, agent) {
        return Vec::new();
    }
    let circumstances = rule.conditions.as_deref();
    // Clauses whose words are equal are equal in meaning.
    let clauses = circumstances.map(describe::conditions).unwrap_or_default();
    let limit = rule.limit.filter(|_| mode == Mode::Enforce).map(describe::limit);
    let with = |(operation, mut asks): (Operation, Asks)| {
        asks.extend(clauses.iter().map(|clause| (clause.clone(), clause.clone())));
        let on_trial = mode == Mode::Observe && rule.effect != Effect::Allow;
        Grant { effect: rule.effect, operation, asks, limit: limit.clone(), on_trial, carried: false }
    };
    let carried = carried(rule, service).into_iter().map(|operation| {
        let grant = with((operation, Asks::new()));
        Grant { effect: Effect::Allow, limit: None, on_trial: false, carried: true, ..grant }
    });
    parts(rule, service).into_iter().map(with).chain(carried).collect()
}

/// Whether a rule can be about what an agent asks for.
pub(super) fn is_for(rule: &Rule, agent: AgentId) -> bool {
    rule.conditions.as_deref().is_none_or(|asked| asked.agents.is_empty() || asked.agents.contains(&agent))
}

/// What a rule that allows or holds something of MCP carries along: a session, and the lists of what it names.
fn carried(rule: &Rule, service: &str) -> Vec<Operation> {
    let Operations::Mcp(mcp) = &rule.operations else { return Vec::new() };
    if rule.effect == Effect::Deny {
        return Vec::new();
    }
    let session = ["initialize", "ping", "server/discover", "notifications/*"];
    let lists = [
        ("tools/list", &mcp.tools),
        ("resources/list", &mcp.resources),
        ("resources/templates/list", &mcp.resources),
        ("prompts/list", &mcp.prompts),
    ];
    let lists = lists.into_iter().filter(|(_, named)| !named.is_empty()).map(|(list, _)| list);
    let method = |name: &str| Operation {
        service: service.to_owned(),
        kind: Kind::McpMethod,
        verb: "",
        method: String::new(),
        name: name.to_owned(),
        within: String::new(),
    };
    session.into_iter().chain(lists).map(method).collect()
}

fn parts(rule: &Rule, service: &str) -> Vec<(Operation, Asks)> {
    let operation = |kind, verb, method: &str, name: &str| Operation {
        service: service.to_owned(),
        kind,
        verb,
        method: method.to_owned(),
        name: name.to_owned(),
        within: String::new(),
    };
    match &rule.operations {
        Operations::Http(http) => {
            // A rule that refuses and names no method is about any: told as the method without a name.
            let any = [String::new()];
            let methods = if http.methods.is_empty() { &any[..] } else { &http.methods };
            let each = |method| http.paths.iter().map(move |path| (method, path));
            let part = |(method, path): (&String, &sallyport_engine::http::PathTemplate)| {
                (operation(Kind::Http, "", method, &plain_path(path.as_str())), Asks::new())
            };
            methods.iter().flat_map(each).map(part).collect()
        }
        Operations::Mcp(mcp) => mcp_parts(mcp, rule.effect, |kind, name| operation(kind, "", "", name)),
        Operations::A2a(a2a) => {
            let asks = push_hosts(a2a, rule.effect);
            let part = |method: &sallyport_engine::policy::A2aMethod| {
                (operation(Kind::A2a, method.name(), "", ""), asks.clone())
            };
            a2a.methods.iter().map(part).collect()
        }
        Operations::Grpc(grpc) => {
            let part = |method: &Glob| (operation(Kind::Grpc, "", "", method.as_str()), Asks::new());
            grpc.methods.iter().map(part).collect()
        }
        Operations::Llm(llm) => {
            let asks = llm_tools(llm, rule.effect);
            let each = |api| llm.models.iter().map(move |model| (api, model));
            let pairs = llm.apis.iter().flat_map(each);
            let part = |(api, model): (&sallyport_engine::policy::LlmApi, &Glob)| {
                (operation(Kind::Llm, api.name(), "", model.as_str()), asks.clone())
            };
            pairs.map(part).collect()
        }
    }
}

fn mcp_parts(
    mcp: &McpMatch,
    effect: Effect,
    operation: impl Fn(Kind, &str) -> Operation,
) -> Vec<(Operation, Asks)> {
    let lists = [
        (Kind::McpTool, &mcp.tools),
        (Kind::McpResource, &mcp.resources),
        (Kind::McpPrompt, &mcp.prompts),
        (Kind::McpMethod, &mcp.methods),
    ];
    let mut parts = Vec::new();
    for (kind, globs) in lists {
        for glob in globs {
            let arguments = mcp.arguments.as_ref().filter(|_| kind == Kind::McpTool);
            parts.push((
                operation(kind, glob.as_str()),
                arguments.map(|asked| asked_arguments(asked, effect)).unwrap_or_default(),
            ));
        }
    }
    parts
}

fn asked_arguments(arguments: &Arguments, effect: Effect) -> Asks {
    // Only a rule that allows asks for the absence of others.
    let additional = arguments.additional || effect != Effect::Allow;
    let arguments = &Arguments { additional, ..arguments.clone() };
    let clauses = describe::arguments(arguments);
    if clauses.is_empty() {
        return Asks::new();
    }
    Asks::from([(format!("arguments {}", key(arguments)), clauses.join(" and "))])
}

/// Equal for constraints that are equal but for the order of their lists, patterns' tables included.
fn key(arguments: &Arguments) -> String {
    let mut arguments = arguments.clone();
    for field in &mut arguments.fields {
        let (Constraint::One(element) | Constraint::List { each: element, .. }) = &mut field.constraint;
        match element {
            Element::Text(text) => text.one_of.sort(),
            Element::PathBelow(prefixes) => prefixes.sort(),
            Element::Url(url) => {
                url.schemes.sort();
                url.hosts.sort();
                url.ports.sort();
            }
            Element::Any
            | Element::Boolean(_)
            | Element::Integer { .. }
            | Element::Number { .. }
            | Element::Object => {}
        }
    }
    arguments.fields.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    serde_json::to_string(&arguments).unwrap_or_default()
}

/// A list as a clause; its order means nothing.
fn listed<T: ToString>(name: &str, items: &[T], words: impl Fn(&str) -> String) -> (String, String) {
    let mut items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.sort();
    items.dedup();
    (format!("{name} {}", items.join(" ")), words(&describe::one_of(&items)))
}

fn push_hosts(a2a: &A2aMatch, effect: Effect) -> Asks {
    if effect != Effect::Allow {
        return Asks::new(); // who refuses does not ask where
    }
    let clause = match a2a.push_hosts.is_empty() {
        true => ("push hosts".to_owned(), "no push notification is asked for".to_owned()),
        false => listed(
            "push hosts",
            &a2a.push_hosts.iter().map(HostPattern::to_string).collect::<Vec<_>>(),
            |hosts| format!("push notifications, if any, go to {hosts}"),
        ),
    };
    Asks::from([clause])
}

fn llm_tools(llm: &LlmMatch, effect: Effect) -> Asks {
    let tools: Vec<_> = llm.tools.iter().map(Glob::as_str).collect();
    match (effect, tools.is_empty()) {
        (Effect::Hold | Effect::Deny, true) => Asks::new(),
        (Effect::Hold | Effect::Deny, false) => Asks::from([listed("tools", &tools, |tools| {
            format!("a tool is defined or replayed that is {tools}")
        })]),
        (Effect::Allow, true) => {
            Asks::from([("tools".to_owned(), "no tool is defined or replayed".to_owned())])
        }
        (Effect::Allow, false) => {
            Asks::from([listed("tools", &tools, |tools| format!("every tool in it is {tools}"))])
        }
    }
}

impl Operation {
    /// Whether every request for `other` is one for this. A deny covers what a server could take for what it names.
    pub(super) fn covers(&self, other: &Self, effect: Effect) -> bool {
        let loosely = effect != Effect::Allow;
        if !self.is_like(other) || !(self.method == other.method || self.is_any_method()) {
            return false;
        }
        if !self.within.is_empty() {
            return self.within == other.within && self.names(&other.name, loosely);
        }
        let by_within = loosely && !other.within.is_empty() && self.names(&other.within, loosely);
        by_within || self.names(&other.name, loosely)
    }

    fn is_like(&self, other: &Self) -> bool {
        self.service == other.service && self.kind == other.kind && self.verb == other.verb
    }

    fn names(&self, other: &str, loosely: bool) -> bool {
        match self.kind {
            Kind::Http => covers_path(&self.name, other, loosely),
            _ => covers_glob(&self.name, other, loosely),
        }
    }

    /// What requests for this are refused by a rule about `refused`, if it is not all of them, and not all that the rule is about.
    pub(super) fn part_within(&self, refused: &Self) -> Option<Self> {
        let method = match (self.is_any_method(), refused.is_any_method()) {
            (_, true) => &self.method,
            (true, false) => &refused.method,
            (false, false) => Some(&self.method).filter(|method| **method == refused.method)?,
        };
        let overlap = match self.kind {
            Kind::Http => paths_overlap(&self.name, &refused.name),
            _ => globs_overlap(&self.name, &refused.name),
        };
        if !self.is_like(refused) || !overlap || self.covers_exactly(refused) {
            return None;
        }
        let lower = refused.name.to_ascii_lowercase();
        let is_one = self.kind != Kind::Http && !lower.contains('*');
        let (name, within) = match refused.names(&self.name, true) {
            true => (self.name.clone(), String::new()),
            // One name, where it may be spelled as this has it.
            false if is_one && self.names(&lower, false) => (lower, String::new()),
            false => (self.name.clone(), refused.name.clone()),
        };
        Some(Self { method: method.clone(), name, within, ..self.clone() })
    }

    fn is_any_method(&self) -> bool {
        self.kind == Kind::Http && self.method.is_empty()
    }

    /// Whether every request for `other` is one for this, to the letter.
    pub(super) fn covers_exactly(&self, other: &Self) -> bool {
        self.covers(other, Effect::Allow)
    }

    /// What is done: "call MCP tool `search`".
    pub(super) fn words(&self) -> String {
        let Self { service: _, kind, verb, method, name, within } = self;
        let all = match kind {
            Kind::Http if self.is_any_method() => format!("use any method on `{name}`"),
            Kind::Http => format!("{method} `{name}`"),
            Kind::McpTool => format!("call MCP tool `{name}`"),
            Kind::McpResource => format!("read MCP resource `{name}`"),
            Kind::McpPrompt => format!("get MCP prompt `{name}`"),
            Kind::McpMethod => format!("use MCP method `{name}`"),
            Kind::A2a => format!("use A2A method `{verb}`"),
            Kind::Grpc => format!("call gRPC method `{name}`"),
            Kind::Llm => format!("ask model `{name}` by `{verb}`"),
        };
        if within.is_empty() { all } else { format!("{all} (what `{within}` covers of it)") }
    }
}
