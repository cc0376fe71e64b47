//! The policy language: every kind of document, every key. The reader and the reference page both come from here.

pub mod arguments;
mod protocols;

use crate::shape::{Field, Need, Object, Together, Ty};

/// What `apiVersion` must say.
pub const API_VERSION: &str = "sallyport.dev/v1";

/// The kinds of policy documents.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A trust domain whose callers are known.
    TrustDomain,
    /// A workload, or several, that missions are given to.
    Agent,
    /// What may be done, and what may not.
    Mission,
    /// A destination.
    Service,
    /// What detectors do.
    DlpProfile,
    /// Settings of the gate itself.
    Gate,
}

impl Kind {
    /// All of them, in the order of the reference page.
    pub const ALL: [Self; 6] =
        [Self::TrustDomain, Self::Agent, Self::Mission, Self::Service, Self::DlpProfile, Self::Gate];

    /// The kind as `kind:` names it.
    pub fn name(self) -> &'static str {
        self.object().name
    }

    /// The kind of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The keys of a document of this kind.
    pub fn object(self) -> &'static Object {
        match self {
            Self::TrustDomain => &TRUST_DOMAIN,
            Self::Agent => &AGENT,
            Self::Mission => &MISSION,
            Self::Service => &SERVICE,
            Self::DlpProfile => &DLP_PROFILE,
            Self::Gate => &GATE,
        }
    }
}

const KINDS: [&str; 6] = ["TrustDomain", "Agent", "Mission", "Service", "DlpProfile", "Gate"];
/// The largest request body that a gate can be set to judge: what the host can be set up to hold, 16 MiB.
const MOST_BODY_BYTES: u64 = sallyport_engine::policy::Limits::MOST_BODY_BYTES as u64;

macro_rules! document {
    ($name:literal, $spec:expr, $need:expr, $doc:literal) => {
        Object {
            name: $name,
            doc: $doc,
            fields: &[
                Field {
                    name: "apiVersion",
                    ty: Ty::Choice(&[API_VERSION]),
                    need: Need::Required,
                    doc: "The version of the language.",
                },
                Field { name: "kind", ty: Ty::Choice(&KINDS), need: Need::Required, doc: "The kind." },
                Field { name: "metadata", ty: Ty::Object(&METADATA), need: Need::Required, doc: "The name." },
                Field { name: "spec", ty: Ty::Object($spec), need: $need, doc: "What it says." },
            ],
            together: &[],
        }
    };
}

static METADATA: Object = Object {
    name: "metadata",
    doc: "",
    fields: &[Field {
        name: "name",
        ty: Ty::Text("a name"),
        need: Need::Required,
        doc: "Unique within its kind: 1 to 63 of `a-z`, `0-9`, `.`, `-` and `_`, beginning and ending with a letter or \
              digit. A TrustDomain's is the trust domain itself.",
    }],
    together: &[],
};

static TRUST_DOMAIN: Object = document!(
    "TrustDomain",
    &TRUST_DOMAIN_SPEC,
    Need::Optional,
    "A trust domain whose callers are known. Its name is the trust domain, as in `acme.internal`. Callers of any other are \
     refused with `identity.untrusted_domain`."
);

static TRUST_DOMAIN_SPEC: Object = Object { name: "spec", doc: "", fields: &[], together: &[] };

static AGENT: Object = document!(
    "Agent",
    &AGENT_SPEC,
    Need::Required,
    "A workload, or several, that missions are given to. What any of its missions allows is allowed, unless any of them \
     denies it. No SPIFFE ID may belong to two agents."
);

static AGENT_SPEC: Object = Object {
    name: "spec",
    doc: "",
    fields: &[
        Field {
            name: "identities",
            ty: Ty::List(&Ty::Text("a SPIFFE ID")),
            need: Need::Required,
            doc: "SPIFFE IDs. A `*` stands for any part of one path segment; it never crosses a `/` and never stands in \
                  the trust domain. An exact ID wins over a pattern.",
        },
        Field {
            name: "missions",
            ty: Ty::List(&Ty::Text("the name of a Mission")),
            need: Need::Default("none: everything is denied"),
            doc: "Names of Missions.",
        },
    ],
    together: &[],
};

static MISSION: Object = document!(
    "Mission",
    &MISSION_SPEC,
    Need::Required,
    "What may be done and what may not. Whatever no `allow` rule covers is denied; what a `deny` rule covers is denied \
     whatever else allows it. The order of rules means nothing."
);

static MISSION_SPEC: Object = Object {
    name: "spec",
    doc: "",
    fields: &[
        Field {
            name: "allow",
            ty: Ty::List(&Ty::Object(&RULE)),
            need: Need::Default("nothing"),
            doc: "Rules that allow.",
        },
        Field {
            name: "deny",
            ty: Ty::List(&Ty::Object(&RULE)),
            need: Need::Default("nothing"),
            doc: "Rules that deny.",
        },
        Field {
            name: "dlp",
            ty: Ty::Text("the name of a DlpProfile"),
            need: Need::Default("the Gate's"),
            doc: "What detectors do for agents on this mission. An agent with several missions gets the strictest action \
                  of each detector.",
        },
    ],
    together: &[Together::AtLeastOne(&["allow", "deny"])],
};

static RULE: Object = Object {
    name: "rule",
    doc: "Operations at one service.",
    fields: &[
        Field {
            name: "name",
            ty: Ty::Text("a name"),
            need: Need::Required,
            doc: "Unique within the Mission; records and `decide` show it.",
        },
        Field { name: "service", ty: Ty::Text("the name of a Service"), need: Need::Required, doc: "Where." },
        Field {
            name: "http",
            ty: Ty::Object(&HTTP),
            need: Need::Optional,
            doc: "Requests on the service's routes with `protocol: http`.",
        },
        Field {
            name: "mcp",
            ty: Ty::Object(&MCP),
            need: Need::Optional,
            doc: "Requests on the service's routes with `protocol: mcp`.",
        },
        Field {
            name: "a2a",
            ty: Ty::Object(&protocols::A2A),
            need: Need::Optional,
            doc: "Requests on the service's routes with `protocol: a2a`.",
        },
        Field {
            name: "grpc",
            ty: Ty::Object(&protocols::GRPC),
            need: Need::Optional,
            doc: "Requests on the service's routes with `protocol: grpc`.",
        },
        Field {
            name: "llm",
            ty: Ty::Object(&protocols::LLM),
            need: Need::Optional,
            doc: "Requests on the service's routes with `protocol: llm`.",
        },
    ],
    together: &[Together::ExactlyOne(&["http", "mcp", "a2a", "grpc", "llm"])],
};

static HTTP: Object = Object {
    name: "http",
    doc: "HTTP requests: any of the methods on any of the paths.",
    fields: &[
        Field {
            name: "methods",
            ty: Ty::List(&Ty::Text("an HTTP method")),
            need: Need::Required,
            doc: "Methods in upper case, as `GET`.",
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
            ty: Ty::Object(&arguments::ARGUMENTS),
            need: Need::Default("anything"),
            doc: "What the `tools` may be called with.",
        },
    ],
    together: &[Together::AtLeastOne(&["tools", "resources", "prompts", "methods"])],
};

static SERVICE: Object = document!(
    "Service",
    &SERVICE_SPEC,
    Need::Required,
    "A destination: where it is, and which protocol each of its paths speaks. A request for a host of no Service is denied \
     with `scope.host`, one for a path of no route with `scope.path`."
);

static SERVICE_SPEC: Object = Object {
    name: "spec",
    doc: "",
    fields: &[
        Field {
            name: "hosts",
            ty: Ty::List(&Ty::Text("a host")),
            need: Need::Required,
            doc: "Hosts in lower case, without a port: exact, or `*.suffix` for one or more labels in front. An exact host \
                  wins over a suffix, a longer suffix over a shorter. No host may belong to two Services.",
        },
        Field {
            name: "ports",
            ty: Ty::List(&Ty::Number { min: 1, max: 65535, what: "a port" }),
            need: Need::Default("any port"),
            doc: "Ports that the request's authority may name. One that names none fits always.",
        },
        Field {
            name: "routes",
            ty: Ty::List(&Ty::Object(&ROUTE)),
            need: Need::Required,
            doc: "What is spoken where. The most precise route that fits decides; their order means nothing.",
        },
    ],
    together: &[],
};

static ROUTE: Object = Object {
    name: "route",
    doc: "Paths of a service, and what is spoken there.",
    fields: &[
        Field {
            name: "path",
            ty: Ty::Text("a path template"),
            need: Need::Required,
            doc: "A path template, as in a rule.",
        },
        Field {
            name: "protocol",
            ty: Ty::Choice(&["http", "mcp", "a2a", "grpc", "llm"]),
            need: Need::Required,
            doc: "The protocol that requests are judged by, whatever their headers say.",
        },
        Field {
            name: "opaqueBodies",
            ty: Ty::Choice(&["deny", "allow"]),
            need: Need::Default("deny"),
            doc: "On `http`, `grpc` and `a2a` routes: whether bodies that the gate cannot read may pass unjudged.",
        },
        Field {
            name: "batches",
            ty: Ty::Choice(&["refuse", "judge"]),
            need: Need::Default("refuse"),
            doc: "On `mcp` routes: whether a JSON-RPC batch may pass where the protocol's version has them (up to 2025-03-26) and \
                  every element of it is allowed.",
        },
    ],
    together: &[],
};

static DLP_PROFILE: Object = document!(
    "DlpProfile",
    &DLP_PROFILE_SPEC,
    Need::Required,
    "What detectors do. A detector that is not named keeps its default action."
);

static DLP_PROFILE_SPEC: Object = Object {
    name: "spec",
    doc: "",
    fields: &[Field {
        name: "detectors",
        ty: Ty::Table("detector ids", &Ty::Choice(&["block", "alert", "off"])),
        need: Need::Required,
        doc: "`block` refuses the request, `alert` records the finding, `off` does not look.",
    }],
    together: &[],
};

static GATE: Object =
    document!("Gate", &GATE_SPEC, Need::Required, "Settings of the gate itself. A policy has at most one.");

static GATE_SPEC: Object = Object {
    name: "spec",
    doc: "",
    fields: &[
        Field {
            name: "maxBodyBytes",
            ty: Ty::Number { min: 1, max: MOST_BODY_BYTES, what: "a number of bytes" },
            need: Need::Default("1048576"),
            doc: "The longest request body that is judged. A longer one is refused with `request.too_large`.",
        },
        Field {
            name: "dlp",
            ty: Ty::Text("the name of a DlpProfile"),
            need: Need::Default("every detector's default action"),
            doc: "What detectors do where a mission does not say.",
        },
    ],
    together: &[],
};
