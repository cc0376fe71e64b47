//! The keys of rules: operations, circumstances, limits.

use super::{lint, protocols};
use crate::shape::{Field, Need, Object, Together, Ty};

/// The keys of which each names the operations of one protocol.
const PROTOCOLS: [&str; 5] = ["http", "mcp", "a2a", "grpc", "llm"];

pub(super) static RULE: Object = Object {
    name: "rule",
    doc: "Operations at one service, or capabilities; and the circumstances under which the rule counts.",
    fields: &[
        Field {
            name: "name",
            ty: Ty::Text("a name"),
            need: Need::Required,
            doc: "Unique within the Mission; records and `decide` show it.",
        },
        Field { name: "service", ty: Ty::Text("the name of a Service"), need: Need::Optional, doc: "Where." },
        HTTP_FIELD,
        MCP_FIELD,
        A2A_FIELD,
        GRPC_FIELD,
        LLM_FIELD,
        Field {
            name: "capabilities",
            ty: Ty::List(&Ty::Text("the name of a Capability")),
            need: Need::Optional,
            doc: "Capabilities, in the place of `service` and a protocol's key.",
        },
        Field {
            name: "from",
            ty: Ty::Object(&FROM),
            need: Need::Default("any caller that the Mission is given to"),
            doc: "For which callers the rule counts.",
        },
        Field {
            name: "to",
            ty: Ty::Object(&TO),
            need: Need::Default("any host and port of the service"),
            doc: "At which of the service's hosts and ports the rule counts.",
        },
        Field {
            name: "when",
            ty: Ty::List(&Ty::Object(&WINDOW)),
            need: Need::Default("always"),
            doc: "At which times the rule counts: in any of these windows.",
        },
        Field {
            name: "limit",
            ty: Ty::Object(&LIMIT),
            need: Need::Default("no limit"),
            doc: "How often, of an `allow` rule. Counted by each proxy for itself, for each agent and each name that the rule lists; \
                  names that a `*` covers are counted together. It holds for what the rule covers, in any case and with or \
                  without a slash at the end, even where another rule allows that too.",
        },
        lint::WAIVERS,
    ],
    together: &[
        Together::ExactlyOne(&["http", "mcp", "a2a", "grpc", "llm", "capabilities"]),
        Together::Beside(&PROTOCOLS, "service"),
    ],
};

pub(super) static OPERATION: Object = Object {
    name: "operation",
    doc: "Operations at one service.",
    fields: &[
        Field { name: "service", ty: Ty::Text("the name of a Service"), need: Need::Required, doc: "Where." },
        HTTP_FIELD,
        MCP_FIELD,
        A2A_FIELD,
        GRPC_FIELD,
        LLM_FIELD,
    ],
    together: &[Together::ExactlyOne(&PROTOCOLS)],
};

static FROM: Object = Object {
    name: "from",
    doc: "Callers that all of the keys fit. A Kubernetes namespace and service account are read from SPIFFE IDs of the form \
          `spiffe://domain/ns/namespace/sa/account`; a caller with another ID has neither.",
    fields: &[
        Field {
            name: "agents",
            ty: Ty::List(&Ty::Text("the name of an Agent")),
            need: Need::Optional,
            doc: "Names of Agents.",
        },
        Field {
            name: "trustDomains",
            ty: Ty::List(&Ty::Text("a trust domain")),
            need: Need::Optional,
            doc: "Trust domains that policy declares.",
        },
        Field {
            name: "namespaces",
            ty: Ty::List(&Ty::Text("a namespace")),
            need: Need::Optional,
            doc: "Namespaces, exactly or with `*`.",
        },
        Field {
            name: "serviceAccounts",
            ty: Ty::List(&Ty::Text("a service account")),
            need: Need::Optional,
            doc: "Service accounts, exactly or with `*`.",
        },
    ],
    together: &[Together::AtLeastOne(&["agents", "trustDomains", "namespaces", "serviceAccounts"])],
};

static TO: Object = Object {
    name: "to",
    doc: "Hosts and ports of the service.",
    fields: &[
        Field {
            name: "hosts",
            ty: Ty::List(&Ty::Text("a host")),
            need: Need::Optional,
            doc: "Hosts, as a Service lists them.",
        },
        Field {
            name: "ports",
            ty: Ty::List(&Ty::Number { min: 1, max: 65535, what: "a port" }),
            need: Need::Optional,
            doc: "Ports that the request's authority must name. One that names none fits no `allow` rule, and every other.",
        },
    ],
    together: &[Together::AtLeastOne(&["hosts", "ports"])],
};

static WINDOW: Object = Object {
    name: "window",
    doc: "A stretch of time. All of its keys must fit.",
    fields: &[
        Field {
            name: "days",
            ty: Ty::List(&Ty::Choice(&sallyport_engine::policy::Window::DAYS)),
            need: Need::Default("every day"),
            doc: "Days of the week on which it begins.",
        },
        Field {
            name: "between",
            ty: Ty::Form("two times of day", "08:00-18:00"),
            need: Need::Default("all day"),
            doc: "As `08:00-18:00`; the end is not part of it. An end at or before the beginning is one on the next day.",
        },
        Field {
            name: "offset",
            ty: Ty::Text("an offset from UTC"),
            need: Need::Default("UTC"),
            doc: "What the days and times are written in, as `+01:00`. It does not follow daylight saving.",
        },
        Field {
            name: "notBefore",
            ty: Ty::Text("an RFC 3339 time"),
            need: Need::Optional,
            doc: "The first moment, as `2026-11-21T10:00:00Z`.",
        },
        Field {
            name: "notAfter",
            ty: Ty::Text("an RFC 3339 time"),
            need: Need::Optional,
            doc: "The moment at which it is over.",
        },
    ],
    together: &[Together::AtLeastOne(&["days", "between", "notBefore", "notAfter"])],
};

static LIMIT: Object = Object {
    name: "limit",
    doc: "So many requests in so long. What goes beyond is answered with `limit.rate`.",
    fields: &[
        Field {
            name: "requests",
            ty: Ty::Number { min: 1, max: 1_000_000_000, what: "a number of requests" },
            need: Need::Required,
            doc: "How many.",
        },
        Field {
            name: "per",
            ty: Ty::Form("a length of time", "30s"),
            need: Need::Required,
            doc: "In how long: a number with `s`, `m`, `h` or `d`, as `1m`. The window begins with the first request in it.",
        },
    ],
    together: &[],
};

const HTTP_FIELD: Field = Field {
    name: "http",
    ty: Ty::Object(&HTTP),
    need: Need::Optional,
    doc: "Requests on the service's routes with `protocol: http`.",
};
const MCP_FIELD: Field = Field {
    name: "mcp",
    ty: Ty::Object(&MCP),
    need: Need::Optional,
    doc: "Requests on the service's routes with `protocol: mcp`.",
};
const A2A_FIELD: Field = Field {
    name: "a2a",
    ty: Ty::Object(&protocols::A2A),
    need: Need::Optional,
    doc: "Requests on the service's routes with `protocol: a2a`.",
};
const GRPC_FIELD: Field = Field {
    name: "grpc",
    ty: Ty::Object(&protocols::GRPC),
    need: Need::Optional,
    doc: "Requests on the service's routes with `protocol: grpc`.",
};
const LLM_FIELD: Field = Field {
    name: "llm",
    ty: Ty::Object(&protocols::LLM),
    need: Need::Optional,
    doc: "Requests on the service's routes with `protocol: llm`.",
};

static HTTP: Object = Object {
    name: "http",
    doc: "HTTP requests: any of the methods on any of the paths.",
    fields: &[
        Field {
            name: "methods",
            ty: Ty::List(&Ty::Text("an HTTP method")),
            need: Need::Optional,
            doc: "Methods in upper case, as `GET`. An `allow` rule must name them; a `deny` or `hold` rule without them is about \
                  every method.",
        },
        Field {
            name: "paths",
            ty: Ty::List(&Ty::Text("a path template")),
            need: Need::Required,
            doc: "Path templates: `{name}` or `*` stands for one segment, `/**` at the end for any rest.",
        },
    ],
    together: &[],
};

static MCP: Object = Object {
    name: "mcp",
    doc: "MCP requests. Any of these lists carries with it what a session needs: `initialize`, `ping`, `server/discover`, \
          notifications, and GET and DELETE of the endpoint.",
    fields: &[
        Field {
            name: "tools",
            ty: Ty::List(&Ty::Text("the name of a tool")),
            need: Need::Optional,
            doc: "Tools that `tools/call` may name, exactly or with `*`. Carries `tools/list`.",
        },
        Field {
            name: "resources",
            ty: Ty::List(&Ty::Text("a URI")),
            need: Need::Optional,
            doc: "URIs that `resources/read`, `resources/subscribe` and `resources/unsubscribe` may name, exactly or with \
                  `*`. Carries `resources/list` and `resources/templates/list`.",
        },
        Field {
            name: "prompts",
            ty: Ty::List(&Ty::Text("the name of a prompt")),
            need: Need::Optional,
            doc: "Prompts that `prompts/get` may name, exactly or with `*`. Carries `prompts/list`.",
        },
        Field {
            name: "methods",
            ty: Ty::List(&Ty::Text("an MCP method")),
            need: Need::Optional,
            doc: "Other methods, exactly or with `*`, as `completion/complete`.",
        },
        Field {
            name: "arguments",
            ty: Ty::Object(&super::arguments::ARGUMENTS),
            need: Need::Default("anything"),
            doc: "What the `tools` may be called with.",
        },
    ],
    together: &[Together::AtLeastOne(&["tools", "resources", "prompts", "methods"])],
};
