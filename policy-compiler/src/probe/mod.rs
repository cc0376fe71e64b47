//! Probes of an installation: what is sent, and what the answers say of the gate. Nothing here talks to the network but [`wire`].
//!
//! A probe that was refused by somebody proves nothing; what counts is who refused it, and why: the gate by its reason codes, the interlock
//! by Istio's own words.

mod judge;
mod wire;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use axum::http::Uri;
use serde::{Deserialize, Serialize};

use crate::cases::{Case, Expect};
use crate::serve::{ClientFiles, get};

/// How long a publication may take to be heard of by replicas and gates: those look every 200 ms, and the former every two seconds.
const SETTLING: Duration = Duration::from_secs(5);
/// How often the companion is asked meanwhile.
const LOOK: Duration = Duration::from_millis(250);

/// What is to be probed.
#[derive(Debug)]
pub(crate) struct Installation {
    /// The workload's address, as its callers use it: `http` where a sidecar beside us brings mTLS.
    pub(crate) gate: Uri,
    /// The same port without mTLS; nobody may answer there.
    pub(crate) plain: Option<Uri>,
    /// A way to the application that does not lead through the gate; only a refusal may come of it.
    pub(crate) direct: Option<Uri>,
    /// What we show the gate.
    pub(crate) tls: Option<GateFiles>,
    pub(crate) companion: Option<Companion>,
}

/// Files to speak mTLS with a gate by.
#[derive(Debug)]
pub(crate) struct GateFiles {
    /// The CAs that its certificate must be from.
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Who publishes policy.
#[derive(Debug)]
pub(crate) struct Companion {
    pub(crate) url: String,
    pub(crate) files: ClientFiles,
    /// Whom the bundle is for; everybody if not given.
    pub(crate) audience: Option<String>,
    /// What must be published at least.
    pub(crate) serial: Option<u64>,
}

/// What came of a probe.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// Which probe: `request`, `mtls`, `interlock` or `companion`.
    pub(crate) probe: &'static str,
    /// What it was about.
    pub(crate) about: String,
    /// What is wrong; nothing if all is well.
    pub(crate) problem: Option<Problem>,
}

/// What is wrong, by a stable name and in words.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Problem {
    pub(crate) id: &'static str,
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

/// What a request came to.
#[derive(Debug, Eq, PartialEq)]
enum Outcome {
    /// An answer: its status, and who refused, if anybody did.
    Answer { status: u16, refusal: Option<Refusal> },
    /// The connection was made, and ended without an answer.
    Closed(String),
    /// There was no connection.
    Unreachable(String),
}

/// Who refused.
#[derive(Debug, Eq, PartialEq)]
enum Refusal {
    /// The gate, with this reason.
    Gate(String),
    /// Istio's own authorization.
    Istio,
}

/// What `/v1/fleet` answers, as far as it matters here.
#[derive(Deserialize)]
struct Fleet {
    serial: Option<u64>,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    node: String,
    audience: Option<String>,
    serial: Option<u64>,
    published: Option<u64>,
    refused: Option<String>,
    /// Whether it may have what is published, and could not say so yet.
    #[serde(default)]
    unheard: bool,
}

/// Whether the gate must let a case pass.
pub(crate) fn passes(expect: &Expect) -> bool {
    !matches!(expect.verdict.as_deref(), Some("deny" | "hold"))
}

/// Probes everything, one after the other. The cases must have something expected; `Err` when nothing could be tried.
pub(crate) fn run(installation: &Installation, cases: &[Case]) -> Result<Vec<Finding>, String> {
    let tls = installation.tls.as_ref();
    let ours = tls.map(wire::with_certificate).transpose()?;
    let without = tls.map(|files| wire::without_certificate(&files.ca)).transpose()?;
    let mut findings = Vec::new();
    for case in cases {
        let Some(expect) = &case.expect else { continue };
        let outcome = wire::send(&installation.gate, ours.as_ref(), &case.request)?;
        findings.push(Finding {
            probe: "request",
            about: case.name.clone(),
            problem: judge::case(expect, &outcome),
        });
    }
    // What policy allows: so that only the way it takes can be why it is refused.
    let Some(allowed) = cases.iter().find(|case| case.expect.as_ref().is_some_and(passes)) else {
        return Ok(findings);
    };
    if without.is_some() {
        let outcome = wire::send(&installation.gate, without.as_ref(), &allowed.request)?;
        let about = "a caller without a certificate".to_owned();
        findings.push(Finding {
            probe: "mtls",
            about,
            problem: judge::without_identity(&outcome, "a caller without a certificate"),
        });
    }
    if let Some(plain) = &installation.plain {
        let outcome = wire::send(plain, None, &allowed.request)?;
        let about = format!("plain text to {plain}");
        findings.push(Finding {
            probe: "mtls",
            about,
            problem: judge::without_identity(&outcome, "plain text"),
        });
    }
    if let Some(direct) = &installation.direct {
        let outcome = wire::send(direct, None, &allowed.request)?;
        let about = format!("straight to {direct}");
        findings.push(Finding { probe: "interlock", about, problem: judge::direct(&outcome) });
    }
    if let Some(companion) = &installation.companion {
        let about = companion.url.clone();
        findings.push(Finding { probe: "companion", about, problem: ask(companion) });
    }
    Ok(findings)
}

/// What a companion says of the fleet. Just after a publication, replicas and gates need a moment.
fn ask(companion: &Companion) -> Option<Problem> {
    let began = Instant::now();
    loop {
        let (problem, is_settled) = ask_once(companion);
        if is_settled || began.elapsed() >= SETTLING {
            return problem;
        }
        thread::sleep(LOOK);
    }
}

/// What it says now, and whether that will not change by itself.
fn ask_once(companion: &Companion) -> (Option<Problem>, bool) {
    let answer = match get(&companion.url, "/v1/fleet", &companion.files) {
        Ok(answer) => serde_json::from_slice::<Fleet>(&answer)
            .map_err(|_| "the answer is none of a companion".to_owned()),
        Err(why) => Err(why),
    };
    match answer {
        Ok(fleet) => {
            let problem = judge::fleet(&fleet, companion.audience.as_deref(), companion.serial);
            let is_stale = problem.as_ref().is_some_and(|problem| problem.id == "bundle-stale");
            let is_settled = !is_stale && !fleet.nodes.iter().any(|node| node.unheard);
            (problem, is_settled)
        }
        Err(why) => (Some(judge::no_companion(&why)), true),
    }
}
