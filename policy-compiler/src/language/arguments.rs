//! The keys of `arguments` in a rule: what a tool may be called with.

use crate::shape::{Field, Need, Object, Ty};

/// The types that an argument can be held to.
pub const TYPES: [&str; 9] = ["any", "boolean", "integer", "list", "number", "object", "path", "text", "url"];

/// `arguments` in a rule.
pub static ARGUMENTS: Object = Object {
    name: "arguments",
    doc: "What the arguments of the rule's tools must be. A missing value, or one of another type, never satisfies an `allow` \
          rule, and never gets a call past a `deny` rule. A `deny` rule compares loosely: texts and paths in any case, hosts by any \
          scheme and port, one value of several. Arguments that are a JSON text in a string are judged inside.",
    fields: &[
        Field {
            name: "fields",
            ty: Ty::List(&Ty::Object(&FIELD)),
            need: Need::Required,
            doc: "Places in the arguments, and what must stand there.",
        },
        Field {
            name: "additional",
            ty: Ty::Choice(&["deny", "allow"]),
            need: Need::Default("deny"),
            doc: "Whether anything may stand in places that `fields` does not name. Not in a `deny` rule.",
        },
    ],
    together: &[],
};

static FIELD: Object = Object {
    name: "field",
    doc: "A place in the arguments, and what must stand there.",
    fields: &[
        Field {
            name: "at",
            ty: Ty::Text("a JSON pointer"),
            need: Need::Required,
            doc: "A JSON pointer (RFC 6901) as `/filter/owner`; `*` stands for every element or member.",
        },
        Field {
            name: "presence",
            ty: Ty::Choice(&["required", "optional", "forbidden"]),
            need: Need::Default("required"),
            doc: "Whether something must stand there.",
        },
        TYPE,
        MIN,
        MAX,
        VALUE,
        ONE_OF,
        MIN_LENGTH,
        MAX_LENGTH,
        PATTERN,
        BELOW,
        SCHEMES,
        HOSTS,
        PORTS,
        PRIVATE,
        Field {
            name: "maxItems",
            ty: Ty::Number { min: 0, max: 65_536, what: "a number of elements" },
            need: Need::Optional,
            doc: "Of a `list`: the most elements.",
        },
        Field {
            name: "items",
            ty: Ty::Object(&ITEMS),
            need: Need::Optional,
            doc: "Of a `list`: what each element must be.",
        },
    ],
    together: &[],
};

static ITEMS: Object = Object {
    name: "items",
    doc: "What each element of a list must be.",
    fields: &[
        TYPE, MIN, MAX, VALUE, ONE_OF, MIN_LENGTH, MAX_LENGTH, PATTERN, BELOW, SCHEMES, HOSTS, PORTS, PRIVATE,
    ],
    together: &[],
};

const TYPE: Field = Field {
    name: "type",
    ty: Ty::Choice(&TYPES),
    need: Need::Default("any"),
    doc: "What must stand there. `integer` is a number written without point and exponent; `path` is a path below one of \
          `below`; `url` is an absolute URL that no client reads in another way.",
};
const MIN: Field = Field {
    name: "min",
    ty: Ty::Decimal,
    need: Need::Optional,
    doc: "Of an `integer` or `number`: the least.",
};
const MAX: Field = Field {
    name: "max",
    ty: Ty::Decimal,
    need: Need::Optional,
    doc: "Of an `integer` or `number`: the most.",
};
const VALUE: Field = Field {
    name: "value",
    ty: Ty::Choice(&["true", "false"]),
    need: Need::Optional,
    doc: "Of a `boolean`: the one value that it may have.",
};
const ONE_OF: Field = Field {
    name: "oneOf",
    ty: Ty::List(&Ty::Text("text")),
    need: Need::Optional,
    doc: "Of a `text`: the texts that it may be.",
};
const MIN_LENGTH: Field = Field {
    name: "minLength",
    ty: Ty::Number { min: 0, max: 16_777_216, what: "a number of characters" },
    need: Need::Optional,
    doc: "Of a `text`: the fewest characters.",
};
const MAX_LENGTH: Field = Field {
    name: "maxLength",
    ty: Ty::Number { min: 0, max: 16_777_216, what: "a number of characters" },
    need: Need::Optional,
    doc: "Of a `text`: the most characters.",
};
const PATTERN: Field = Field {
    name: "pattern",
    ty: Ty::Text("a regular expression"),
    need: Need::Optional,
    doc: "Of a `text`: a regular expression that the whole of it must match. It is compiled to a table of at most 64 KiB.",
};
const BELOW: Field = Field {
    name: "below",
    ty: Ty::List(&Ty::Text("a path")),
    need: Need::Optional,
    doc: "Of a `path`: what it must be, or be below. A path with dot segments, empty segments, backslashes, escapes or control \
          characters is below nothing.",
};
const SCHEMES: Field = Field {
    name: "schemes",
    ty: Ty::List(&Ty::Text("a URL scheme")),
    need: Need::Default("`https`"),
    doc: "Of a `url`: its schemes.",
};
const HOSTS: Field = Field {
    name: "hosts",
    ty: Ty::List(&Ty::Text("a host")),
    need: Need::Default("any public host"),
    doc: "Of a `url`: its hosts, exact or `*.suffix`; addresses exactly.",
};
const PORTS: Field = Field {
    name: "ports",
    ty: Ty::List(&Ty::Number { min: 1, max: 65535, what: "a port" }),
    need: Need::Default("the scheme's own"),
    doc: "Of a `url`: its ports.",
};
const PRIVATE: Field = Field {
    name: "private",
    ty: Ty::Choice(&["deny", "allow"]),
    need: Need::Default("deny"),
    doc: "Of a `url`: whether it may lead to a private, loopback, link-local or metadata address, or to a name that only \
          resolves inside. A host that `hosts` names exactly may always be led to.",
};
