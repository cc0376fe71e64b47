//! The keys of a DlpProfile.

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
    ],
    together: &[Together::AtLeastOne(&["packs", "detectors"])],
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
