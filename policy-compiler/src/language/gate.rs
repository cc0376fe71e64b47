//! The keys of the gate's own settings.

use super::lint;
use crate::shape::{Field, Need, Object, Ty};

/// The largest request body that a gate can be set to judge: what the host can be set up to hold, 16 MiB.
const MOST_BODY_BYTES: u64 = sallyport_engine::policy::Limits::MOST_BODY_BYTES as u64;

pub(super) static SPEC: Object = Object {
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
        Field {
            name: "mode",
            ty: Ty::Choice(&["enforce", "observe"]),
            need: Need::Default("enforce"),
            doc: "With `observe`, nothing is refused at all; records say what would have been. For trying the gate out before \
                  traffic that must not be disturbed. The headers that only the gate may set are taken out all the same.",
        },
        Field {
            name: "unmappedIdentities",
            ty: Ty::Choice(&["deny", "allow"]),
            need: Need::Default("deny"),
            doc: "What becomes of callers of a declared trust domain that are no Agent: `deny` answers `identity.unmapped`, \
                  `allow` lets them pass unjudged, for services that others than agents call too.",
        },
        Field {
            name: "oversizeBodies",
            ty: Ty::Choice(&["deny", "allow"]),
            need: Need::Default("deny"),
            doc: "What becomes of bodies over `maxBodyBytes` on `http` routes, where method and path grant the request: `deny` \
                  answers `request.too_large`, `allow` lets them pass unread: what detectors would find, or a form that overrides the \
                  method, is not seen then. Where the body decides, they are always refused.",
        },
        Field {
            name: "opaqueBodies",
            ty: Ty::Choice(&["deny", "allow"]),
            need: Need::Default("deny"),
            doc: "`opaqueBodies` of routes that do not say it themselves.",
        },
        Field {
            name: "staleness",
            ty: Ty::Object(&STALENESS),
            need: Need::Default("policy is never too old"),
            doc: "What happens when nobody confirms this policy any more. A bundle that stands in the plugin's configuration is \
                  confirmed by that.",
        },
        lint::INSTALL_MODE,
        lint::LINT,
    ],
    together: &[],
};

static STALENESS: Object = Object {
    name: "staleness",
    doc: "When policy is too old, and what then.",
    fields: &[
        Field {
            name: "after",
            ty: Ty::Text("a length of time"),
            need: Need::Required,
            doc: "A number with `s`, `m`, `h` or `d`, as `1h`, since whoever provides policy last confirmed it.",
        },
        Field {
            name: "then",
            ty: Ty::Choice(&["deny", "keep"]),
            need: Need::Required,
            doc: "`deny` answers everything with `policy.stale`; `keep` judges by the policy there is.",
        },
    ],
    together: &[],
};
