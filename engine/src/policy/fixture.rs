//! A small policy for the engine's own tests.

use super::{
    A2aMatch, A2aMethod, Agent, AgentId, Arguments, Constraint, Effect, Element, Field, GrpcMatch, HttpMatch,
    LlmApi, LlmMatch, McpMatch, Mission, MissionId, Mode, Operations, Policy, PolicyParts, Presence,
    ProfileId, Protocol, Route, Rule, Service, ServiceId,
};
use crate::glob::Glob;
use crate::http::{HostPattern, PathTemplate};
use crate::identity::{SpiffeId, SpiffePattern, TrustDomain};
use crate::scan::Profile;
use alloc::vec;

/// Research may search and read docs, except what a deny takes away; every worker may read docs.
pub(crate) fn policy() -> Policy {
    Policy::new(parts()).unwrap()
}

pub(crate) fn parts() -> PolicyParts {
    let path = |text: &str| PathTemplate::parse(text).unwrap();
    let route = |text: &str, protocol| Route {
        path: path(text),
        protocol,
        opaque_bodies: false,
        batches: false,
        opaque_numbers: false,
    };
    let rule = |name: &str, effect, operations| Rule {
        name: name.into(),
        effect,
        service: ServiceId(0),
        operations,
        conditions: None,
        limit: None,
    };
    let get = |template: &str| {
        Operations::Http(HttpMatch {
            methods: vec!["GET".into(), "POST".into()],
            paths: vec![path(template)],
        })
    };
    let tools = |names: &[&str]| {
        Operations::Mcp(McpMatch {
            tools: names.iter().map(|name| Glob::new(*name)).collect(),
            ..McpMatch::default()
        })
    };
    let agent = |name: &str, mission| Agent {
        name: name.into(),
        missions: vec![MissionId(mission)],
        profile: ProfileId(0),
        mode: Mode::Enforce,
    };
    PolicyParts {
        serial: 7,
        trust_domains: vec![TrustDomain::parse("acme.internal").unwrap()],
        services: vec![
            Service {
                name: "tool-api".into(),
                hosts: vec![HostPattern::parse("tool-api").unwrap(), HostPattern::parse("*.tools").unwrap()],
                ports: vec![],
                routes: vec![route("/**", Protocol::Http), route("/mcp", Protocol::Mcp)],
                profile: None,
                tools: vec![],
            },
            Service {
                name: "mixed".into(),
                hosts: vec![HostPattern::parse("mixed").unwrap()],
                ports: vec![],
                routes: vec![
                    Route { batches: true, ..route("/mcp", Protocol::Mcp) },
                    route("/a2a/**", Protocol::A2a),
                    route("/v1/**", Protocol::Llm),
                    Route { opaque_bodies: true, ..route("/shop.Cart/**", Protocol::Grpc) },
                    route("/shop.Bank/**", Protocol::Grpc),
                ],
                profile: None,
                tools: vec![],
            },
            Service {
                name: "other".into(),
                hosts: vec![HostPattern::parse("other").unwrap()],
                ports: vec![8080],
                routes: vec![route("/api/**", Protocol::Http)],
                profile: None,
                tools: vec![],
            },
        ],
        agents: vec![agent("research", 0), agent("worker", 1), agent("mixed", 2)],
        identities: vec![
            (SpiffeId::parse(b"spiffe://acme.internal/sa/research").unwrap(), AgentId(0)),
            (SpiffeId::parse(b"spiffe://acme.internal/sa/mixed").unwrap(), AgentId(2)),
        ],
        patterns: vec![(SpiffePattern::parse("spiffe://acme.internal/sa/work-*").unwrap(), AgentId(1))],
        missions: vec![
            Mission {
                name: "search".into(),
                mode: Mode::Enforce,
                rules: vec![
                    rule("search", Effect::Allow, tools(&["search_*", "fetch"])),
                    rule("no-secrets", Effect::Deny, tools(&["search_secrets"])),
                    rule("docs", Effect::Allow, get("/docs/**")),
                    rule("no-drafts", Effect::Deny, get("/docs/drafts")),
                ],
            },
            Mission {
                name: "read".into(),
                mode: Mode::Enforce,
                rules: vec![rule("docs", Effect::Allow, get("/docs/{id}"))],
            },
            mixed(),
        ],
        profiles: vec![Profile::default()],
        ..PolicyParts::default()
    }
}

/// One rule for each protocol, at the service that speaks them all.
fn mixed() -> Mission {
    let rule = |name: &str, operations| Rule {
        name: name.into(),
        effect: Effect::Allow,
        service: ServiceId(1),
        operations,
        conditions: None,
        limit: None,
    };
    let globs = |names: &[&str]| names.iter().map(|name| Glob::new(*name)).collect();
    let push_hosts = vec![HostPattern::parse("hooks.acme.example").unwrap()];
    let methods = vec![A2aMethod::SendMessage, A2aMethod::GetTask, A2aMethod::CreatePushConfig];
    let field = Field {
        pointer: vec!["path".into()],
        presence: Presence::Required,
        constraint: Constraint::One(Element::PathBelow(vec!["/srv".into()])),
    };
    let arguments = Some(Arguments { fields: vec![field], additional: false });
    Mission {
        name: "mixed".into(),
        mode: Mode::Enforce,
        rules: vec![
            rule(
                "read",
                Operations::Mcp(McpMatch { tools: globs(&["read"]), arguments, ..McpMatch::default() }),
            ),
            rule("a2a", Operations::A2a(A2aMatch { methods, push_hosts })),
            rule("cart", Operations::Grpc(GrpcMatch { methods: globs(&["shop.Cart/Get*", "shop.Bank/*"]) })),
            rule(
                "llm",
                Operations::Llm(LlmMatch {
                    apis: vec![LlmApi::Chat, LlmApi::Models],
                    models: globs(&["small-*"]),
                    tools: globs(&["search"]),
                }),
            ),
        ],
    }
}
