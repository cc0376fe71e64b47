//! The keys of rules for A2A, gRPC and models.

use crate::shape::{Field, Need, Object, Ty};

/// `a2a` in a rule.
pub(super) static A2A: Object = Object {
    name: "a2a",
    doc: "A2A requests of versions 0.3 and 1.0, in the JSON-RPC, HTTP+JSON and gRPC bindings. Carries the public agent card.",
    fields: &[
        Field {
            name: "methods",
            ty: Ty::List(&Ty::Text("an A2A method")),
            need: Need::Required,
            doc: "Methods by their name in either version: `SendMessage` and `message/send` are the same one.",
        },
        Field {
            name: "pushHosts",
            ty: Ty::List(&Ty::Text("a host")),
            need: Need::Default("none: a request that asks for push notifications is denied"),
            doc: "Hosts that push notifications may be sent to, over HTTPS on its own port.",
        },
    ],
    together: &[],
};

/// `grpc` in a rule.
pub(super) static GRPC: Object = Object {
    name: "grpc",
    doc: "gRPC requests. Of their messages only the texts are read, so the route must say `opaqueBodies: allow`.",
    fields: &[Field {
        name: "methods",
        ty: Ty::List(&Ty::Text("a gRPC method")),
        need: Need::Required,
        doc: "Methods as `package.Service/Method`, exactly or with `*`.",
    }],
    together: &[],
};

/// `llm` in a rule.
pub(super) static LLM: Object = Object {
    name: "llm",
    doc: "Requests to models. All of `apis`, `models` and `tools` must cover the request.",
    fields: &[
        Field {
            name: "apis",
            ty: Ty::List(&Ty::Choice(&["chat", "embeddings", "messages", "models", "responses"])),
            need: Need::Required,
            doc: "`chat`, `responses`, `embeddings` and `models` of OpenAI, `messages` of Anthropic.",
        },
        Field {
            name: "models",
            ty: Ty::List(&Ty::Text("the name of a model")),
            need: Need::Required,
            doc: "Models, exactly or with `*`.",
        },
        Field {
            name: "tools",
            ty: Ty::List(&Ty::Text("the name of a tool")),
            need: Need::Default("none: a request that defines or replays a tool is denied"),
            doc: "Tools that a request may define, and whose calls may stand in its conversation, exactly or with `*`. Tools that \
                  providers build in go by their type as well (`web_search`), remote servers by `mcp`, stored prompts by `prompt`, earlier responses by `previous_response`.",
        },
    ],
    together: &[],
};
