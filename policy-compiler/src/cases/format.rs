//! The keys of a case file.

use crate::shape::{Field, Need, Object, Together, Ty};

/// The largest chunk, in bytes, that a body can be cut into.
const MAX_CHUNK_BYTES: u64 = 64 * 1024 * 1024;

/// One case: a document of a case file, or an item of a list that is one.
pub static CASE: Object = Object {
    name: "case",
    doc: "One exchange and what is expected of it. A file holds one case, several documents, or lists of cases.",
    fields: &[
        Field { name: "name", ty: Ty::Text("text"), need: Need::Required, doc: "What the case shows." },
        Field {
            name: "at",
            ty: Ty::Text("an RFC 3339 time"),
            need: Need::Default("the present"),
            doc: "What the gate's clock reads.",
        },
        Field {
            name: "repeat",
            ty: Ty::Number { min: 1, max: 1000, what: "a number of requests" },
            need: Need::Default("1"),
            doc: "How often the request is made, one after the other; what is expected is expected of the last. The counters of \
                  limits are at zero when a case begins.",
        },
        Field {
            name: "request",
            ty: Ty::Object(&REQUEST),
            need: Need::Required,
            doc: "What the client sends.",
        },
        Field {
            name: "response",
            ty: Ty::Object(&RESPONSE),
            need: Need::Default("200, `content-type: application/json`, `{}`"),
            doc: "What the upstream answers if it is asked.",
        },
        Field {
            name: "expect",
            ty: Ty::Object(&EXPECT),
            need: Need::Optional,
            doc: "What the gate must do. Without it the verdict is only shown.",
        },
    ],
    together: &[],
};

static REQUEST: Object = Object {
    name: "request",
    doc: "What the client sends.",
    fields: &[
        Field {
            name: "peer",
            ty: Ty::Text("a SPIFFE ID"),
            need: Need::Default("no mTLS"),
            doc: "The URI SAN of the client's certificate.",
        },
        Field {
            name: "peers",
            ty: Ty::ListOrEmpty(&Ty::Text("a SPIFFE ID")),
            need: Need::Optional,
            doc: "Several URI SANs in one certificate; an empty list is a certificate without any.",
        },
        Field { name: "method", ty: Ty::Text("an HTTP method"), need: Need::Required, doc: "The method." },
        Field {
            name: "authority",
            ty: Ty::Text("a host"),
            need: Need::Required,
            doc: "The host, and a port if any.",
        },
        Field { name: "path", ty: Ty::Text("a path"), need: Need::Required, doc: "The path with its query." },
        HEADERS,
        BODY,
        BODY_BASE64,
        BODY_FILE,
        CHUNKS,
        TRAILERS,
    ],
    together: &[Together::AtMostOne(&["peer", "peers"]), ONE_BODY],
};

static RESPONSE: Object = Object {
    name: "response",
    doc: "What the upstream answers.",
    fields: &[
        Field {
            name: "status",
            ty: Ty::Number { min: 200, max: 599, what: "an HTTP status" },
            need: Need::Default("200"),
            doc: "The status.",
        },
        HEADERS,
        BODY,
        BODY_BASE64,
        BODY_FILE,
        CHUNKS,
        TRAILERS,
    ],
    together: &[ONE_BODY],
};

static EXPECT: Object = Object {
    name: "expect",
    doc: "What the gate must do; a key that is left out is not compared, and one at least must be there.",
    fields: &[
        Field {
            name: "verdict",
            ty: Ty::Choice(&["allow", "deny", "hold", "redact"]),
            need: Need::Optional,
            doc: "The verdict.",
        },
        Field {
            name: "reason",
            ty: Ty::Text("a reason code"),
            need: Need::Optional,
            doc: "The reason code; `scope.*` stands for every code of a family.",
        },
        Field {
            name: "status",
            ty: Ty::Number { min: 200, max: 599, what: "an HTTP status" },
            need: Need::Optional,
            doc: "The status that the client sees.",
        },
        Field {
            name: "forwarded",
            ty: Ty::TextOrNull("the body, byte by byte"),
            need: Need::Optional,
            doc: "The exact request body that the upstream receives; `null`: the request must not reach it.",
        },
        Field {
            name: "returned",
            ty: Ty::TextOrNull("the body, byte by byte"),
            need: Need::Optional,
            doc: "The exact body that the client receives, be it the upstream's or the gate's own reply; `null`: the \
                  upstream's answer must not reach it.",
        },
        Field {
            name: "headers",
            ty: Ty::List(&Ty::HeaderOrNull),
            need: Need::Optional,
            doc: "Headers that the upstream must receive, `:method`, `:path` and `:authority` among them; \
                  `[name, null]`: it must not receive any of that name.",
        },
        Field {
            name: "trailers",
            ty: Ty::ListOrEmpty(&Ty::HeaderOrNull),
            need: Need::Optional,
            doc: "Trailers that the client must receive behind the body; `[name, null]`: it must not receive any of that name.",
        },
        Field {
            name: "findings",
            ty: Ty::ListOrEmpty(&Ty::Text("a detector id")),
            need: Need::Optional,
            doc: "The detectors that must have found something: these and no others, each any number of times.",
        },
    ],
    together: &[Together::AtLeastOne(&[
        "verdict",
        "reason",
        "status",
        "forwarded",
        "returned",
        "headers",
        "findings",
    ])],
};

const HEADERS: Field = Field {
    name: "headers",
    ty: Ty::ListOrEmpty(&Ty::Header),
    need: Need::Default("none"),
    doc: "Pairs `[name, value]` in order; names may repeat. `{base64: …}` as a value stands for any bytes.",
};

const BODY: Field = Field {
    name: "body",
    ty: Ty::Text("text"),
    need: Need::Default("no body"),
    doc: "The body as text; its UTF-8 bytes are sent.",
};

const BODY_BASE64: Field = Field {
    name: "bodyBase64",
    ty: Ty::Text("standard base64"),
    need: Need::Optional,
    doc: "The body as base64.",
};

const BODY_FILE: Field = Field {
    name: "bodyFile",
    ty: Ty::Text("a path"),
    need: Need::Optional,
    doc: "A file that holds the body, relative to the case file; at most 64 MiB.",
};

const CHUNKS: Field = Field {
    name: "chunks",
    ty: Ty::List(&Ty::Number { min: 0, max: MAX_CHUNK_BYTES, what: "a number of bytes" }),
    need: Need::Default("one piece"),
    doc: "The sizes that the body arrives in; what is left over comes last.",
};

const TRAILERS: Field = Field {
    name: "trailers",
    ty: Ty::List(&Ty::Header),
    need: Need::Default("none"),
    doc: "Trailers, as pairs `[name, value]`.",
};

const ONE_BODY: Together = Together::AtMostOne(&["body", "bodyBase64", "bodyFile"]);
