//! The keys of a detector, in the files of the built-in ones and in a DlpProfile.

use crate::shape::{Field, Need, Object, Together, Ty};

/// What can be done about findings.
pub(super) const WORDS: [&str; 4] = ["block", "redact", "alert", "off"];
const ACTIONS: Ty = Ty::Choice(&WORDS);
const SET: Ty = Ty::Text("a set of bytes, as '[0-9A-Za-z_]'");

/// The keys that every detector has, with some before.
macro_rules! fields {
    ($($more:expr),*) => {
        &[
            $($more,)*
        Field { name: "doc", ty: Ty::Text("a sentence"), need: Need::Required, doc: "What it finds." },
        Field {
            name: "source",
            ty: Ty::Text("a URL"),
            need: Need::Optional,
            doc: "Where the form of what it finds is documented.",
        },
        Field {
            name: "severity",
            ty: Ty::Choice(&["low", "medium", "high", "critical"]),
            need: Need::Default("medium"),
            doc: "How bad it is if what it finds is real.",
        },
        Field {
            name: "request",
            ty: ACTIONS,
            need: Need::Default("block"),
            doc: "What is done about findings in requests.",
        },
        Field {
            name: "response",
            ty: ACTIONS,
            need: Need::Default("redact"),
            doc: "What is done about findings in responses.",
        },
        Field {
            name: "tools",
            ty: ACTIONS,
            need: Need::Default("block"),
            doc: "What is done about findings in the descriptions of tools that a server offers.",
        },
        Field {
            name: "default",
            ty: Ty::Choice(&["true", "false"]),
            need: Need::Default("true"),
            doc: "Whether it looks for anything where no profile says so.",
        },
        Field {
            name: "anchors",
            ty: Ty::List(&Ty::Text("a text")),
            need: Need::Optional,
            doc: "Texts of which one begins every match, or follows its `lead`. They are found in any case; the pattern decides.",
        },
        Field {
            name: "trigger",
            ty: Ty::Choice(&["digits"]),
            need: Need::Optional,
            doc: "Instead of anchors: every match begins with a digit that follows no other, or has its `lead` before it.",
        },
        Field {
            name: "pattern",
            ty: Ty::Text("a regular expression over bytes"),
            need: Need::Optional,
            doc: "What a match looks like from its beginning, in the syntax of Rust's `regex`, without look-around. The longest match \
                  counts.",
        },
        Field {
            name: "lead",
            ty: Ty::Object(&LEAD),
            need: Need::Optional,
            doc: "What of a match may stand before its anchor or digit.",
        },
        Field {
            name: "notBefore",
            ty: SET,
            need: Need::Default("[0-9A-Za-z_]"),
            doc: "Bytes that may not stand right before a match; '' for none.",
        },
        Field {
            name: "notAfter",
            ty: SET,
            need: Need::Default("[0-9A-Za-z_]"),
            doc: "Bytes that may not stand right after a match; '' for none.",
        },
        Field { name: "length", ty: Ty::Object(&LENGTH), need: Need::Optional, doc: "How long a match is." },
        Field {
            name: "value",
            ty: SET,
            need: Need::Optional,
            doc: "The bytes of what is reported and replaced: the longest end of the match that is made of them. Without it, all of \
                  the match.",
        },
        Field {
            name: "checks",
            ty: Ty::List(&Ty::Text("the name of a check")),
            need: Need::Optional,
            doc: "Checksums and the like that have to hold of the value.",
        },
        Field {
            name: "entropy",
            ty: Ty::Decimal,
            need: Need::Optional,
            doc: "The least Shannon entropy of the value, in bits per byte; of what follows the anchor, where there is no `value`.",
        },
        Field {
            name: "placeholders",
            ty: Ty::Choice(&["true", "false"]),
            need: Need::Default("false"),
            doc: "`true` passes over values that look like placeholders: `EXAMPLE`, `xxxx`, `${KEY}`, `0123456789`.",
        },
        Field {
            name: "context",
            ty: Ty::Object(&CONTEXT),
            need: Need::Optional,
            doc: "Words of which one must stand before a match, in its text or as its JSON key.",
        },
        Field {
            name: "text",
            ty: Ty::Choice(&["folded", "raw"]),
            need: Need::Default("folded"),
            doc: "`raw` looks at text as it stands, for characters that folding drops; then the anchors are not ASCII.",
        },
        Field {
            name: "redact",
            ty: Ty::Object(&REDACT),
            need: Need::Optional,
            doc: "How findings are replaced.",
        },
        Field {
            name: "samples",
            ty: Ty::Object(&SAMPLES),
            need: Need::Optional,
            doc: "Texts that hold a match, and texts that do not. \
              They are checked whenever the detector is compiled. Only a detector of `values` has none.",
        },
        ]
    };
}

/// A detector that is built in.
pub static DETECTOR: Object = Object {
    name: "detector",
    doc: "",
    fields: fields!(
        Field {
            name: "id",
            ty: Ty::Text("a name"),
            need: Need::Required,
            doc: "The id in policy, records and reasons.",
        },
        Field {
            name: "structural",
            ty: Ty::Text("the name of what the engine itself looks for"),
            need: Need::Optional,
            doc: "Found by code rather than by a pattern. For built-in detectors only.",
        }
    ),
    together: &[
        Together::ExactlyOne(&["anchors", "trigger", "structural"]),
        Together::Beside(&["anchors", "trigger"], "pattern"),
        Together::Beside(&["anchors", "trigger", "structural"], "samples"),
    ],
};

/// A detector of a policy; its id is the document's name.
pub(super) static CUSTOM: Object = Object {
    name: "spec",
    doc: "",
    fields: fields!(
        Field {
            name: "words",
            ty: Ty::List(&Ty::Text("a word or more")),
            need: Need::Optional,
            doc: "Instead of anchors and a pattern: these words, in any case, each by itself.",
        },
        Field {
            name: "values",
            ty: Ty::Object(&VALUES),
            need: Need::Optional,
            doc: "Instead of anchors and a pattern: values that policy knows by their digests only, such as the keys in a vault.",
        }
    ),
    together: &[
        Together::ExactlyOne(&["anchors", "trigger", "words", "values"]),
        Together::Beside(&["anchors", "trigger"], "pattern"),
        Together::Beside(&["anchors", "trigger", "words"], "samples"),
        Together::AtMostOne(&["pattern", "words", "values"]),
        Together::AtMostOne(&["lead", "words", "values"]),
        Together::AtMostOne(&["checks", "values"]),
        Together::AtMostOne(&["context", "values"]),
        Together::AtMostOne(&["length", "values"]),
        Together::AtMostOne(&["value", "values"]),
        Together::AtMostOne(&["entropy", "values"]),
        Together::AtMostOne(&["text", "values"]),
        Together::AtMostOne(&["samples", "values"]),
    ],
};

static VALUES: Object = Object {
    name: "values",
    doc: "Values by their digests. `policy-compiler hash-values` prints them. Whoever has the bundle can try values: what has \
          few possibilities, such as a number of nine digits, is found out in seconds.",
    fields: &[
        Field {
            name: "salt",
            ty: Ty::Text("a text"),
            need: Need::Required,
            doc: "What each digest is made with.",
        },
        Field {
            name: "lengths",
            ty: Ty::List(&Ty::Number { min: 4, max: 255, what: "a number of bytes" }),
            need: Need::Required,
            doc: "How long the values are.",
        },
        Field {
            name: "set",
            ty: SET,
            need: Need::Default("letters, digits, `_` and `-`"),
            doc: "The bytes of values; a value has none of them beside it.",
        },
        Field {
            name: "digests",
            ty: Ty::List(&Ty::Text("32 hexadecimal digits")),
            need: Need::Required,
            doc: "The first half of the SHA-256 of the salt, a colon, and a value.",
        },
    ],
    together: &[],
};

static LEAD: Object = Object {
    name: "lead",
    doc: "",
    fields: &[
        Field { name: "set", ty: SET, need: Need::Required, doc: "The bytes." },
        Field {
            name: "max",
            ty: Ty::Number { min: 1, max: 255, what: "a number of bytes" },
            need: Need::Required,
            doc: "At most how many.",
        },
    ],
    together: &[],
};

static LENGTH: Object = Object {
    name: "length",
    doc: "",
    fields: &[
        Field {
            name: "min",
            ty: Ty::Number { min: 1, max: 16_384, what: "a number of bytes" },
            need: Need::Default("1"),
            doc: "At least.",
        },
        Field {
            name: "max",
            ty: Ty::Number { min: 1, max: 16_384, what: "a number of bytes" },
            need: Need::Default("16384"),
            doc: "At most.",
        },
    ],
    together: &[],
};

static CONTEXT: Object = Object {
    name: "context",
    doc: "",
    fields: &[
        Field {
            name: "words",
            ty: Ty::List(&Ty::Text("a word or more")),
            need: Need::Required,
            doc: "The words, in any case; blanks in them may be `_`, `-` or nothing. One of up to four letters stands alone.",
        },
        Field {
            name: "within",
            ty: Ty::Number { min: 1, max: 512, what: "a number of bytes" },
            need: Need::Default("48"),
            doc: "At most so many bytes lie between a word's end and the match.",
        },
    ],
    together: &[],
};

pub(super) static REDACT: Object = Object {
    name: "redact",
    doc: "",
    fields: &[
        Field {
            name: "as",
            ty: Ty::Choice(&["label", "hash", "mask", "token"]),
            need: Need::Default("label"),
            doc: "`label` puts `[REDACTED:id]` in its place, `mask` shows the ends. `hash` puts `[REDACTED:id:12345678]` there, where the \
                  digits are an HMAC of the value by the Gate's `hashKey`: the same for the same value. `token` puts a word there \
                  that only this exchange knows, made with the same key; where the answer has it, the value stands there \
                  again. In what comes back it is a label.",
        },
        Field {
            name: "first",
            ty: Ty::Number { min: 0, max: 64, what: "a number of characters" },
            need: Need::Default("6"),
            doc: "How many of the first characters a mask shows.",
        },
        Field {
            name: "last",
            ty: Ty::Number { min: 0, max: 64, what: "a number of characters" },
            need: Need::Default("4"),
            doc: "How many of the last characters a mask shows.",
        },
    ],
    together: &[],
};

static SAMPLES: Object = Object {
    name: "samples",
    doc: "",
    fields: &[
        Field {
            name: "match",
            ty: Ty::ListOrEmpty(&Ty::Parts),
            need: Need::Required,
            doc: "Each holds exactly one match. A list of parts is read as one text: so written, it is no secret itself.",
        },
        Field {
            name: "miss",
            ty: Ty::ListOrEmpty(&Ty::Parts),
            need: Need::Required,
            doc: "None holds a match.",
        },
    ],
    together: &[],
};

/// A pack of detectors, in the file that describes it.
pub static PACK: Object = Object {
    name: "pack",
    doc: "",
    fields: &[
        Field { name: "id", ty: Ty::Text("a name"), need: Need::Required, doc: "Its name." },
        Field {
            name: "doc",
            ty: Ty::Text("a sentence"),
            need: Need::Required,
            doc: "What its detectors find.",
        },
        Field {
            name: "default",
            ty: Ty::Choice(&["true", "false"]),
            need: Need::Required,
            doc: "Whether its detectors look for anything where no profile says so.",
        },
    ],
    together: &[],
};
