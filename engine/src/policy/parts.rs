//! The shapes of policy.

use crate::glob::Glob;
use crate::http::{HostPattern, PathTemplate};
use crate::identity::{SpiffeId, SpiffePattern, TrustDomain};
use crate::scan::{Catalogue, Profile};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Everything that a policy says, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyParts {
    /// Counts up with every publication. 0 for a policy that was never published.
    pub serial: u64,
    /// The trust domains whose callers are known.
    pub trust_domains: Vec<TrustDomain>,
    /// What is called.
    pub services: Vec<Service>,
    /// Who calls.
    pub agents: Vec<Agent>,
    /// The agent that each exact SPIFFE ID is bound to.
    pub identities: Vec<(SpiffeId, AgentId)>,
    /// The agent that each pattern of SPIFFE IDs is bound to. Exact IDs win over patterns; patterns of two agents do not overlap.
    pub patterns: Vec<(SpiffePattern, AgentId)>,
    /// What may be done.
    pub missions: Vec<Mission>,
    /// What detectors do, for one or more agents.
    pub profiles: Vec<Profile>,
    /// The detectors.
    pub catalogue: Catalogue,
    /// Limits on what is judged.
    pub limits: Limits,
}

/// An index into [`PolicyParts::agents`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct AgentId(pub u32);

/// An index into [`PolicyParts::missions`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct MissionId(pub u16);

/// An index into [`PolicyParts::services`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct ServiceId(pub u16);

/// An index into [`PolicyParts::profiles`].
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct ProfileId(pub u16);

/// A destination: where it is, and which protocol each of its paths speaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// The name in policy.
    pub name: String,
    /// The hosts it answers to. No host belongs to two services.
    pub hosts: Vec<HostPattern>,
    /// The ports it answers on; any port when empty.
    pub ports: Vec<u16>,
    /// Its routes, most precise first.
    pub routes: Vec<Route>,
}

/// Paths of a service, and what is spoken there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The paths.
    pub path: PathTemplate,
    /// The protocol by which every request on these paths is judged, whatever its headers say.
    pub protocol: Protocol,
}

/// A protocol that requests are judged by.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Protocol {
    /// Plain HTTP: a method and a path.
    Http,
    /// The Model Context Protocol over streamable HTTP.
    Mcp,
}

/// A workload, or several, that missions are given to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// The name in policy.
    pub name: String,
    /// Its missions; what any of them allows is allowed, what any of them denies is denied.
    pub missions: Vec<MissionId>,
    /// What detectors do with its requests: the strictest of its missions' profiles.
    pub profile: ProfileId,
}

/// Rules with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mission {
    /// The name in policy.
    pub name: String,
    /// The rules; their order means nothing.
    pub rules: Vec<Rule>,
}

/// What is allowed, or denied, at one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// The name, unique in its mission.
    pub name: String,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Where.
    pub service: ServiceId,
    /// What.
    pub operations: Operations,
}

/// What a rule that covers a request does. A deny wins over any allow: the order says so.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Effect {
    /// The request may pass.
    Allow,
    /// The request may not pass.
    Deny,
}

/// The operations that a rule covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operations {
    /// On routes of [`Protocol::Http`].
    Http(HttpMatch),
    /// On routes of [`Protocol::Mcp`].
    Mcp(McpMatch),
}

/// HTTP operations: any of the methods on any of the paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpMatch {
    /// Methods in upper case.
    pub methods: Vec<String>,
    /// Paths.
    pub paths: Vec<PathTemplate>,
}

/// MCP operations: any that one of the lists names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct McpMatch {
    /// Methods other than those that the other lists stand for.
    pub methods: Vec<Glob>,
    /// Tools, for `tools/call`.
    pub tools: Vec<Glob>,
    /// URIs, for `resources/read`, `resources/subscribe` and `resources/unsubscribe`.
    pub resources: Vec<Glob>,
    /// Names, for `prompts/get`.
    pub prompts: Vec<Glob>,
}

/// Limits on what is judged; beyond them a request is refused whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The longest request body, in bytes.
    pub max_body_bytes: u32,
}

impl Limits {
    /// The default of [`Limits::max_body_bytes`]: 1 MiB.
    pub const DEFAULT_MAX_BODY_BYTES: u32 = 1024 * 1024;
    /// The most that [`Limits::max_body_bytes`] may be: 16 MiB, as much as the host is set up to hold.
    pub const MOST_BODY_BYTES: u32 = 16 * 1024 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_body_bytes: Self::DEFAULT_MAX_BODY_BYTES }
    }
}
