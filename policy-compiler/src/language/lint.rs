//! The keys that speak of policy itself: waivers, budgets of lints, and what the installation must give.

use crate::shape::{Field, Need, Object, Ty};

/// How the gate can be installed, from the least that it gives to the most.
pub const INSTALL_MODES: [&str; 3] = ["plain", "buffered", "held"];

/// `waivers` of a document or a rule.
pub(super) const WAIVERS: Field = Field {
    name: "waivers",
    ty: Ty::List(&Ty::Object(&WAIVER)),
    need: Need::Optional,
    doc: "Warnings that are as they should be, each with the reason.",
};

/// One waiver.
pub static WAIVER: Object = Object {
    name: "waiver",
    doc: "Silences one lint within the document or rule that it stands in. `check` counts what is waived and \
          `check --format json` lists it. Only warnings can be waived; a waiver that silences nothing is a warning itself.",
    fields: &[
        Field {
            name: "lint",
            ty: Ty::Text("the id of a warning"),
            need: Need::Required,
            doc: "The id in brackets, as `broad-wildcard`.",
        },
        Field {
            name: "reason",
            ty: Ty::Text("text"),
            need: Need::Required,
            doc: "Why it is as it should be, for whoever reads the policy next.",
        },
    ],
    together: &[],
};

/// `installMode` of the Gate.
pub(super) const INSTALL_MODE: Field = Field {
    name: "installMode",
    ty: Ty::Choice(&INSTALL_MODES),
    need: Need::Default("buffered"),
    doc: "How the gate is installed. `plain`: a `WasmPlugin` alone; headers reach the upstream before the body is judged. \
          `buffered`: with Envoy's buffer filter behind it; a request is judged whole before any of it goes on. `held`: the module is \
          loaded with `allow_on_headers_stop_iteration`; so are answers. Policy that needs more is refused.",
};

/// `lint` of the Gate.
pub(super) const LINT: Field = Field {
    name: "lint",
    ty: Ty::Object(&BUDGETS),
    need: Need::Optional,
    doc: "How much of what lints report is all right in this policy.",
};

static BUDGETS: Object = Object {
    name: "lint",
    doc: "How much of what lints report is all right in this policy.",
    fields: &[Field {
        name: "broadRules",
        ty: Ty::Number { min: 0, max: 65_535, what: "a number of names" },
        need: Need::Default("0"),
        doc: "How many names may be so broad that `broad-wildcard` speaks of them, those not counted that are waived. Up to that \
              many none is reported, beyond it all are.",
    }],
    together: &[],
};
