//! The keys of a DlpProfile and of a Detector.

use super::detectors::{REDACT, WORDS};
use super::{API_VERSION, KINDS, METADATA};
use crate::shape::{Field, Need, Object, Together, Ty};

pub(super) static PROFILE: Object = super::document!(
    "DlpProfile",
    &SPEC,
    Need::Required,
    "What detectors do. What is said of a detector counts, else what is said of its pack, else its default. \
     `policy-compiler scan` tries a profile on files."
);

pub(super) static DETECTOR: Object = super::document!(
    "Detector",
    &super::detectors::CUSTOM,
    Need::Required,
    "A detector of your own, in the pack `custom`. Its name is its id, which no built-in detector may have. Its samples are tried \
     whenever the policy is checked."
);

static SPEC: Object = Object {
    name: "spec",
    doc: "",
    fields: &[
        Field {
            name: "packs",
            ty: Ty::Table("pack ids", &Ty::Choice(&["block", "redact", "alert", "off", "on"])),
            need: Need::Optional,
            doc: "What all detectors of a pack do, everywhere; `on` lets each do what it does where it is on.",
        },
        Field {
            name: "detectors",
            ty: Ty::Table("detector ids", &Ty::ChoiceOr(&WORDS, &TREATMENT)),
            need: Need::Optional,
            doc: "`block` refuses the message, `redact` replaces what was found and lets it go on, `alert` records the finding, `off` does \
                  not look. A word counts everywhere.",
        },
        Field {
            name: "allow",
            ty: Ty::List(&Ty::Object(&EXCEPTION)),
            need: Need::Optional,
            doc: "Findings that are none: what an entry covers is not recorded and does nothing. Where several profiles count, only what all \
                  of them allow, in the same words.",
        },
    ],
    together: &[Together::AtLeastOne(&["packs", "detectors", "allow"])],
};

static EXCEPTION: Object = Object {
    name: "exception",
    doc: "Findings that are none, by what was found, where, and in calls of which tool. All that is said must hold.",
    fields: &[
        Field {
            name: "detectors",
            ty: Ty::List(&Ty::Text("the id of a detector")),
            need: Need::Default("all"),
            doc: "Of these detectors.",
        },
        Field {
            name: "text",
            ty: Ty::Text("a text"),
            need: Need::Optional,
            doc: "This value, as it is written. For samples that anybody may read.",
        },
        Field {
            name: "hash",
            ty: Ty::Text("a salted digest, as `policy-compiler hash-values --allow` prints it"),
            need: Need::Optional,
            doc: "The value with this digest.",
        },
        Field {
            name: "pattern",
            ty: Ty::Text("a regular expression over bytes"),
            need: Need::Optional,
            doc: "Values that this covers from beginning to end; at most 256 states, as a detector's.",
        },
        Field {
            name: "at",
            ty: Ty::Text("a JSON pointer"),
            need: Need::Optional,
            doc: "The value of a JSON message in this place; `*` stands for any one name or number, as in \
                  `/params/arguments/to/*`. Not in keys, and not in texts that models stream.",
        },
        Field {
            name: "tool",
            ty: Ty::Text("the name of a tool"),
            need: Need::Optional,
            doc: "In calls of this MCP tool and what comes back for them; `*` stands for any part of the name.",
        },
    ],
    together: &[
        Together::AtLeastOne(&["text", "hash", "pattern", "at", "tool"]),
        Together::AtMostOne(&["text", "hash", "pattern"]),
    ],
};

static TREATMENT: Object = Object {
    name: "treatment",
    doc: "What one detector does at each place. What is left out stays as it was.",
    fields: &[
        Field { name: "request", ty: Ty::Choice(&WORDS), need: Need::Optional, doc: "In requests." },
        Field { name: "response", ty: Ty::Choice(&WORDS), need: Need::Optional, doc: "In responses." },
        Field {
            name: "tools",
            ty: Ty::Choice(&WORDS),
            need: Need::Optional,
            doc: "In the descriptions of tools that a server offers.",
        },
        Field {
            name: "redact",
            ty: Ty::Object(&REDACT),
            need: Need::Optional,
            doc: "How findings are replaced.",
        },
    ],
    together: &[Together::AtLeastOne(&["request", "response", "tools", "redact"])],
};
