//! The keys of the gate's own settings.

use super::lint;
use crate::shape::{Field, Need, Object, Ty};

/// The largest request body that a gate can be set to judge: what the host can be set up to hold, 16 MiB.
const MOST_BODY_BYTES: u64 = sallyport_engine::policy::Limits::MOST_BODY_BYTES as u64;
/// The most records that a proxy can be set to keep.
const MOST_RECORDS: u64 = sallyport_engine::audit::MOST_RECORDS as u64;

pub(super) static SPEC: Object = Object {
    name: "spec",
    doc: "",
    fields: &[
        Field {
            name: "maxBodyBytes",
            ty: Ty::Number { min: 1, max: MOST_BODY_BYTES, what: "a number of bytes" },
            need: Need::Default("1048576"),
            doc: "The longest body that is judged. A longer one is refused: a request's with `request.too_large`, with \
                  `response.too_large` that of a response that is held until all of it has come.",
        },
        Field {
            name: "dlp",
            ty: Ty::Text("the name of a DlpProfile"),
            need: Need::Default("every detector's default action"),
            doc: "What detectors do where a mission does not say.",
        },
        Field {
            name: "hashKey",
            ty: Ty::Text("64 hexadecimal digits"),
            need: Need::Optional,
            doc: "The key of what `redact: {as: hash}` puts in the place of values, and of tokens. It is in the bundle: whoever has that can tell whether \
                  a value that they know is behind a hash, and so can try all that have few possibilities.",
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
                  method, is not seen then. Where the body decides, they are always refused. So it is with responses that are held \
                  until all of them has come: `response.too_large`.",
        },
        Field {
            name: "encodedResponses",
            ty: Ty::Choice(&["decode", "deny", "pass"]),
            need: Need::Default("decode"),
            doc: "What becomes of responses with a `content-encoding`, where anything in them is looked for: `decode` decodes `gzip` and \
                  `deflate`, judges what comes out and lets it go on decoded; `deny` answers `response.encoding`, as any other coding is \
                  answered; `pass` lets them go on unread on `http` routes. Upstreams are asked only for codings that are read.",
        },
        Field {
            name: "unscannableResponses",
            ty: Ty::Choice(&["pass", "deny"]),
            need: Need::Default("pass"),
            doc: "What becomes of responses on `http` routes that are neither JSON nor text, nor UTF-8, as images are: `pass` lets them go \
                  on (of text in another charset, what can be read is scanned); `deny` answers `response.unsupported` or \
                  `response.encoding`, and JSON that has more than one reading with `response.malformed`. MCP, A2A and models \
                  must answer in JSON, events or text whatever is said here; `opaqueBodies: allow` of a route goes before.",
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
        Field {
            name: "audit",
            ty: Ty::Object(&AUDIT),
            need: Need::Default("the oldest record is dropped where there is no room"),
            doc: "What becomes of the records of what was asked and answered.",
        },
        lint::INSTALL_MODE,
        lint::LINT,
    ],
    together: &[],
};

static AUDIT: Object = Object {
    name: "audit",
    doc: "What becomes of records: how many wait for the companion, what happens when there is no room for more, and how loudly they are \
          logged.",
    fields: &[
        Field {
            name: "overflow",
            ty: Ty::Choice(&["drop-oldest", "required"]),
            need: Need::Default("drop-oldest"),
            doc: "What happens when the companion does not take records and there is no room for more: `drop-oldest` drops the oldest and \
                  counts it; `required` answers requests with `audit.unavailable` before they go on, until there is room. Without a \
                  `companion` in the plugin's configuration nobody takes records, so `required` refuses everything then.",
        },
        Field {
            name: "records",
            ty: Ty::Number { min: 1, max: MOST_RECORDS, what: "a number of records" },
            need: Need::Default("4096"),
            doc: "How many records a proxy keeps until the companion has them, all its workers together. One takes about 1 KiB of the \
                  proxy's memory, and never more than 8 KiB.",
        },
        Field {
            name: "allowLog",
            ty: Ty::Choice(&["off", "debug", "info", "warn"]),
            need: Need::Default("info"),
            doc: "The level at which the proxy logs the record of what went on. Istio shows `warn` by default, and the others where \
                  the proxy's log level for `wasm` says so.",
        },
        Field {
            name: "denyLog",
            ty: Ty::Choice(&["off", "debug", "info", "warn"]),
            need: Need::Default("info"),
            doc: "The same for what was refused or held.",
        },
    ],
    together: &[],
};

static STALENESS: Object = Object {
    name: "staleness",
    doc: "When policy is too old, and what then.",
    fields: &[
        Field {
            name: "after",
            ty: Ty::Form("a length of time", "30s"),
            need: Need::Required,
            doc: "A number with `s`, `m`, `h` or `d`, as `1h`, since whoever provides policy last confirmed it. At least `2s`. A proxy asks \
                  every 15 seconds, and may lose an answer: less than `1m` refuses requests now and then though nothing is wrong.",
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
