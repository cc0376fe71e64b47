//! The policy language: every kind of document, every key. The reader and the reference page both come from here.

pub mod arguments;
pub mod detectors;
mod dlp;
mod gate;
pub mod lint;
mod protocols;
mod rules;

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
    /// Operations under a name.
    Capability,
    /// A destination.
    Service,
    /// What detectors do.
    DlpProfile,
    /// A detector beside the built-in ones.
    Detector,
    /// Settings of the gate itself.
    Gate,
}

impl Kind {
    /// All of them, in the order of the reference page.
    pub const ALL: [Self; 8] = [
        Self::TrustDomain,
        Self::Agent,
        Self::Mission,
        Self::Capability,
        Self::Service,
        Self::DlpProfile,
        Self::Detector,
        Self::Gate,
    ];

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
            Self::Capability => &CAPABILITY,
            Self::Service => &SERVICE,
            Self::DlpProfile => &dlp::PROFILE,
            Self::Detector => &dlp::DETECTOR,
            Self::Gate => &GATE,
        }
    }
}

const KINDS: [&str; 8] =
    ["TrustDomain", "Agent", "Mission", "Capability", "Service", "DlpProfile", "Detector", "Gate"];
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
                Field {
                    name: "metadata",
                    ty: Ty::Object(&METADATA),
                    need: Need::Required,
                    doc: "The name, and waivers.",
                },
                Field { name: "spec", ty: Ty::Object($spec), need: $need, doc: "What it says." },
            ],
            together: &[],
        }
    };
}
use document;

static METADATA: Object = Object {
    name: "metadata",
    doc: "",
    fields: &[
        Field {
            name: "name",
            ty: Ty::Text("a name"),
            need: Need::Required,
            doc: "Unique within its kind: 1 to 63 of `a-z`, `0-9`, `.`, `-` and `_`, beginning and ending with a letter or \
                  digit. A TrustDomain's is the trust domain itself; a Capability's may hold `:`, as `docs:read`.",
        },
        lint::WAIVERS,
    ],
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
        Field {
            name: "mode",
            ty: Ty::Choice(&["enforce", "observe"]),
            need: Need::Default("the Gate's"),
            doc: "With `observe`, nothing that the agent asks for is refused; records say what would have been. With `enforce`, it is \
                  refused though the Gate observes.",
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
            ty: Ty::List(&Ty::Object(&rules::RULE)),
            need: Need::Default("nothing"),
            doc: "Rules that allow.",
        },
        Field {
            name: "deny",
            ty: Ty::List(&Ty::Object(&rules::RULE)),
            need: Need::Default("nothing"),
            doc: "Rules that deny.",
        },
        Field {
            name: "hold",
            ty: Ty::List(&Ty::Object(&rules::RULE)),
            need: Need::Default("nothing"),
            doc: "Rules that ask for approval: what they cover is answered with `approval.required`, whatever allows it, unless \
                  a `deny` rule covers it. Approvals cannot be given yet.",
        },
        Field {
            name: "mode",
            ty: Ty::Choice(&["enforce", "observe"]),
            need: Need::Default("enforce"),
            doc: "With `observe`, the mission is on trial: at the services that its rules speak of, what rules refuse its agents goes on, and \
                  records say what would have been refused; but what a `deny` or `hold` rule of another mission covers is refused. Detectors, and what \
                  requests must be like, are enforced.",
        },
        Field {
            name: "dlp",
            ty: Ty::Text("the name of a DlpProfile"),
            need: Need::Default("the Gate's"),
            doc: "What detectors do for agents on this mission. An agent with several missions gets the strictest action \
                  of each detector.",
        },
    ],
    together: &[Together::AtLeastOne(&["allow", "hold", "deny"])],
};

static CAPABILITY: Object = document!(
    "Capability",
    &CAPABILITY_SPEC,
    Need::Required,
    "Operations under a name, as `docs:read`, that rules of any Mission grant, hold or deny by that name."
);

static CAPABILITY_SPEC: Object = Object {
    name: "spec",
    doc: "",
    fields: &[Field {
        name: "operations",
        ty: Ty::List(&Ty::Object(&rules::OPERATION)),
        need: Need::Required,
        doc: "The operations, at any services.",
    }],
    together: &[],
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
        Field {
            name: "tools",
            ty: Ty::List(&Ty::Object(&TOOL)),
            need: Need::Default("tools may be anything"),
            doc: "Tools that the service may offer over MCP only as they were approved. What becomes of one that changed is said by \
                  the detector `tool-changed`.",
        },
        Field {
            name: "audiences",
            ty: Ty::List(&Ty::Text("a namespace, or `namespace/workload`")),
            need: Need::Default("everyone"),
            doc: "Before which workloads the service stands: `compile --audience tools/tool-api` makes a bundle that carries only what \
                  concerns that workload: Services without `audiences`, and those that name the namespace `tools` or the workload \
                  `tools/tool-api`, with the rules for them.",
        },
        Field {
            name: "dlp",
            ty: Ty::Text("the name of a DlpProfile"),
            need: Need::Default("the agent's alone counts"),
            doc: "What detectors do in exchanges with this service. Of this and the profile of the agent, the stricter action counts, for \
                  each detector and place.",
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
            need: Need::Default("the Gate's"),
            doc: "On `http`, `grpc` and `a2a` routes: whether bodies that the gate cannot read may pass unjudged.",
        },
        Field {
            name: "bigNumbers",
            ty: Ty::Choice(&["refuse", "pass"]),
            need: Need::Default("refuse"),
            doc: "Whether JSON bodies may hold numbers that parsers read differently: integers beyond ±(2^53 − 1), more than 17 \
                  digits, `-0`. Where they pass, nobody here reads them, and no constraint on the value of an argument is satisfied by one.",
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

static TOOL: Object = Object {
    name: "tool",
    doc: "A tool as it was approved. `policy-compiler pin` prints them from what a server answers to `tools/list`. Several of one \
          name: any of them, as while a new version is rolled out.",
    fields: &[
        Field { name: "name", ty: Ty::Text("the name of a tool"), need: Need::Required, doc: "Its name." },
        Field {
            name: "digest",
            ty: Ty::Text("a digest, as `sha256:` and 64 hexadecimal digits"),
            need: Need::Required,
            doc: "The SHA-256 of all of its descriptor, in canonical form (RFC 8785).",
        },
    ],
    together: &[],
};

static GATE: Object =
    document!("Gate", &gate::SPEC, Need::Required, "Settings of the gate itself. A policy has at most one.");
