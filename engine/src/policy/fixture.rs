//! A small policy for the engine's own tests.

use super::{
    Agent, AgentId, Effect, HttpMatch, McpMatch, Mission, MissionId, Operations, Policy, PolicyParts,
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
    let route = |text: &str, protocol| Route { path: path(text), protocol };
    let rule = |name: &str, effect, operations| Rule {
        name: name.into(),
        effect,
        service: ServiceId(0),
        operations,
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
            },
            Service {
                name: "other".into(),
                hosts: vec![HostPattern::parse("other").unwrap()],
                ports: vec![8080],
                routes: vec![route("/api/**", Protocol::Http)],
            },
        ],
        agents: vec![agent("research", 0), agent("worker", 1)],
        identities: vec![(SpiffeId::parse(b"spiffe://acme.internal/sa/research").unwrap(), AgentId(0))],
        patterns: vec![(SpiffePattern::parse("spiffe://acme.internal/sa/work-*").unwrap(), AgentId(1))],
        missions: vec![
            Mission {
                name: "search".into(),
                rules: vec![
                    rule("search", Effect::Allow, tools(&["search_*", "fetch"])),
                    rule("no-secrets", Effect::Deny, tools(&["search_secrets"])),
                    rule("docs", Effect::Allow, get("/docs/**")),
                    rule("no-drafts", Effect::Deny, get("/docs/drafts")),
                ],
            },
            Mission { name: "read".into(), rules: vec![rule("docs", Effect::Allow, get("/docs/{id}"))] },
        ],
        profiles: vec![Profile::default()],
        ..PolicyParts::default()
    }
}
