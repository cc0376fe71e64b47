//! The shapes of policy.

use super::{Arguments, Conditions, Limit, Mode, Settings, ToolPin};
use crate::glob::Glob;
use crate::http::{HostPattern, PathTemplate};
use crate::identity::{SpiffeId, SpiffePattern, TrustDomain};
use crate::scan::{Catalogue, Profile};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Everything that a policy says, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyParts {
    /// Counts up with every publication. 0 for a policy that was never published. It stands in a bundle's header.
    #[serde(skip)]
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
    /// What holds for all of the gate.
    pub settings: Settings,
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
    /// What detectors do with exchanges with it, where that is stricter than what they do for the agent.
    pub profile: Option<ProfileId>,
    /// The tools that it may offer over MCP only as they were approved, by name.
    pub tools: Vec<ToolPin>,
}

/// Paths of a service, and what is spoken there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// The paths.
    pub path: PathTemplate,
    /// The protocol by which every request on these paths is judged, whatever its headers say.
    pub protocol: Protocol,
    /// Whether bodies that cannot be read may pass unjudged, on plain HTTP and gRPC routes.
    pub opaque_bodies: bool,
    /// Whether a JSON-RPC batch may pass where the protocol's version has them and every element is allowed.
    pub batches: bool,
    /// Whether numbers that parsers read differently may stand in JSON bodies, unread.
    pub opaque_numbers: bool,
}

/// A protocol that requests are judged by.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Protocol {
    /// Plain HTTP: a method and a path.
    Http,
    /// The Model Context Protocol over streamable HTTP.
    Mcp,
    /// Agent2Agent 0.3 and 1.0: JSON-RPC, HTTP+JSON and gRPC bindings.
    A2a,
    /// gRPC over HTTP/2.
    Grpc,
    /// The HTTP APIs of large language models: OpenAI's chat, responses and embeddings, Anthropic's messages.
    Llm,
}

impl Effect {
    /// The word that stands for the effect: the key that its rules stand under.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

impl Protocol {
    /// Every protocol with the word that stands for it in policy and records.
    pub const NAMES: [(Self, &'static str); 5] = [
        (Self::Http, "http"),
        (Self::Mcp, "mcp"),
        (Self::A2a, "a2a"),
        (Self::Grpc, "grpc"),
        (Self::Llm, "llm"),
    ];

    /// The word that stands for the protocol.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(protocol, _)| *protocol == self).map_or("", |(_, name)| name)
    }
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
    /// Whether its requests are refused, or only noted, whatever the gate's own mode.
    pub mode: Mode,
}

/// Rules with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mission {
    /// The name in policy.
    pub name: String,
    /// Whether its rules refuse, or are on trial: what they would refuse is noted, and goes on.
    pub mode: Mode,
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
    /// Under which circumstances; always when `None`.
    pub conditions: Option<Box<Conditions>>,
    /// How often, of a rule that allows: for each agent, and each name that the rule lists.
    pub limit: Option<Limit>,
}

/// What a rule that covers a request does. A deny wins over a hold, a hold over an allow: the order says so.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Effect {
    /// The request may pass.
    Allow,
    /// The request may pass once someone has approved of it.
    Hold,
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
    /// On routes of [`Protocol::A2a`].
    A2a(A2aMatch),
    /// On routes of [`Protocol::Grpc`].
    Grpc(GrpcMatch),
    /// On routes of [`Protocol::Llm`].
    Llm(LlmMatch),
}

/// HTTP operations: any of the methods on any of the paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpMatch {
    /// Methods in upper case; in a rule that refuses, any when empty.
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
    /// What the arguments of the tools must be; anything when `None`.
    pub arguments: Option<Arguments>,
}

/// A2A operations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct A2aMatch {
    /// The methods, of whichever version and binding.
    pub methods: Vec<A2aMethod>,
    /// The hosts that push notifications may be sent to; none when empty.
    pub push_hosts: Vec<HostPattern>,
}

/// What A2A 1.0 calls its methods; 0.3's names mean the same ones.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum A2aMethod {
    /// `SendMessage`, `message/send`.
    SendMessage,
    /// `SendStreamingMessage`, `message/stream`.
    SendStreamingMessage,
    /// `GetTask`, `tasks/get`.
    GetTask,
    /// `ListTasks`, `tasks/list`.
    ListTasks,
    /// `CancelTask`, `tasks/cancel`.
    CancelTask,
    /// `SubscribeToTask`, `tasks/resubscribe`.
    SubscribeToTask,
    /// `CreateTaskPushNotificationConfig`, `tasks/pushNotificationConfig/set`.
    CreatePushConfig,
    /// `GetTaskPushNotificationConfig`, `tasks/pushNotificationConfig/get`.
    GetPushConfig,
    /// `ListTaskPushNotificationConfigs`, `tasks/pushNotificationConfig/list`.
    ListPushConfigs,
    /// `DeleteTaskPushNotificationConfig`, `tasks/pushNotificationConfig/delete`.
    DeletePushConfig,
    /// `GetExtendedAgentCard`, `agent/getAuthenticatedExtendedCard`.
    GetExtendedCard,
}

/// gRPC operations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GrpcMatch {
    /// `package.Service/Method`, `*` for any part.
    pub methods: Vec<Glob>,
}

/// LLM operations: any of the APIs with any of the models, offering and replaying no other tools.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LlmMatch {
    /// The APIs.
    pub apis: Vec<LlmApi>,
    /// The models.
    pub models: Vec<Glob>,
    /// The tools that may be defined, and whose calls may stand in the conversation; none when empty.
    pub tools: Vec<Glob>,
}

/// An API of large language models, known by the end of its path.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum LlmApi {
    /// OpenAI: `POST …/chat/completions`.
    Chat,
    /// OpenAI: `POST …/responses`.
    Responses,
    /// OpenAI: `POST …/embeddings`.
    Embeddings,
    /// Anthropic: `POST …/messages` and `POST …/messages/count_tokens`.
    Messages,
    /// Both: `GET …/models` and `GET …/models/{id}`.
    Models,
}

impl A2aMethod {
    /// Every method with its names: 1.0's, which records use, then 0.3's.
    pub const NAMES: [(Self, &'static str, &'static str); 11] = [
        (Self::SendMessage, "SendMessage", "message/send"),
        (Self::SendStreamingMessage, "SendStreamingMessage", "message/stream"),
        (Self::GetTask, "GetTask", "tasks/get"),
        (Self::ListTasks, "ListTasks", "tasks/list"),
        (Self::CancelTask, "CancelTask", "tasks/cancel"),
        (Self::SubscribeToTask, "SubscribeToTask", "tasks/resubscribe"),
        (Self::CreatePushConfig, "CreateTaskPushNotificationConfig", "tasks/pushNotificationConfig/set"),
        (Self::GetPushConfig, "GetTaskPushNotificationConfig", "tasks/pushNotificationConfig/get"),
        (Self::ListPushConfigs, "ListTaskPushNotificationConfigs", "tasks/pushNotificationConfig/list"),
        (Self::DeletePushConfig, "DeleteTaskPushNotificationConfig", "tasks/pushNotificationConfig/delete"),
        (Self::GetExtendedCard, "GetExtendedAgentCard", "agent/getAuthenticatedExtendedCard"),
    ];

    /// The method of a name of either version.
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, new, old)| name == *new || name == *old).map(|(method, ..)| *method)
    }

    /// The name in version 1.0.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(method, ..)| *method == self).map_or("", |(_, name, _)| name)
    }
}

impl LlmApi {
    /// Every API with its name in policy.
    pub const NAMES: [(Self, &'static str); 5] = [
        (Self::Chat, "chat"),
        (Self::Responses, "responses"),
        (Self::Embeddings, "embeddings"),
        (Self::Messages, "messages"),
        (Self::Models, "models"),
    ];

    /// The API of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| name == *known).map(|(api, _)| *api)
    }

    /// The name in policy.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(api, _)| *api == self).map_or("", |(_, name)| name)
    }
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
