//! What outcomes mean.

use super::{Fleet, Outcome, Problem, Refusal, passes};
use crate::cases::Expect;
use crate::report::printable;

/// The reasons of a gate without policy, or with one that is too old.
const ABSENT: &str = "policy.absent";
const STALE: &str = "policy.stale";

fn problem(id: &'static str, message: impl Into<String>, help: &'static str) -> Option<Problem> {
    Some(Problem { id, message: message.into(), help })
}

/// What a case came to that the gate must have judged.
pub(super) fn case(expect: &Expect, outcome: &Outcome) -> Option<Problem> {
    match outcome {
        Outcome::Unreachable(why) => unreachable(why),
        Outcome::Closed(why) => problem(
            "not-answered",
            format!("the connection ended without an answer: {why}"),
            "is the certificate from the CA that the sidecar trusts, and the port one of the mesh?",
        ),
        Outcome::Answer { refusal: Some(Refusal::Istio), .. } => problem(
            "gate-absent",
            "Istio refuses it with `RBAC: access denied`: the request did not pass a gate, and the interlock closes the way",
            "the sidecar's log says why the plugin is not loaded: registry, digest, pull secret; or its selector misses these pods, or another AuthorizationPolicy denies",
        ),
        Outcome::Answer { refusal: Some(Refusal::Gate(reason)), .. } => refused(expect, reason),
        Outcome::Answer { status, refusal: None } => answered(expect, *status),
    }
}

/// The gate refused.
fn refused(expect: &Expect, reason: &str) -> Option<Problem> {
    let told = format!("the gate refuses with `{}`", printable(reason));
    match reason {
        ABSENT => problem(
            "policy-absent",
            format!("{told}: it has no policy"),
            "the sidecar's log has a critical line that says what is wrong with configuration or bundle; is the companion reachable?",
        ),
        STALE => problem(
            "policy-stale",
            format!("{told}: nobody confirmed its policy for longer than `staleness` says"),
            "is the companion reachable from this sidecar?",
        ),
        "identity.absent" => problem(
            "identity-absent",
            format!("{told}: it was shown no certificate"),
            "make mTLS STRICT for the workload, and give the caller a sidecar or a certificate",
        ),
        "identity.malformed" if passes(expect) => problem(
            "identity-malformed",
            format!("{told}: it is not shown the certificate, or the certificate is no SVID"),
            "before Istio 1.30 set `istioVersion`, so that the gate takes the first URI SAN",
        ),
        _ if passes(expect) => problem(
            "refused",
            format!("{told} what must pass"),
            "is the policy in force the one that these cases are for, and are we the caller that they name?",
        ),
        _ => {
            let wanted = expect.reason.as_deref().unwrap_or(reason);
            let fits = match wanted.strip_suffix(".*") {
                Some(family) => reason.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')),
                None => wanted == reason,
            };
            let message = format!("{told}, not with `{wanted}`");
            if fits {
                None
            } else {
                problem("other-reason", message, "is the policy in force the one that these cases are for?")
            }
        }
    }
}

/// Nobody refused.
fn answered(expect: &Expect, status: u16) -> Option<Problem> {
    if !passes(expect) {
        return problem(
            "gate-absent",
            format!(
                "it is answered with {status}, and nobody refuses it: there is no gate, and no interlock"
            ),
            "is the plugin there, does its selector fit these pods, and do its ports? See the sidecar's log",
        );
    }
    match expect.status {
        Some(wanted) if wanted != status => problem(
            "other-status",
            format!("it is answered with {status}, not with {wanted}"),
            "the workload behind the gate answers differently, or is not there",
        ),
        None if status == 503 => problem(
            "not-served",
            "it is answered with 503: the workload is not there, or the gate's VM ended",
            "look at the workload, and at the sidecar's log for `wasm`",
        ),
        _ => None,
    }
}

/// What came of a request without an identity: a connection that ends is what should.
pub(super) fn without_identity(outcome: &Outcome, who: &str) -> Option<Problem> {
    match outcome {
        Outcome::Closed(_) => None,
        Outcome::Unreachable(why) => unreachable(why),
        Outcome::Answer { status, .. } => problem(
            "mtls-not-strict",
            format!("{who} is answered with {status}: mTLS is not STRICT"),
            "a PeerAuthentication with `mode: STRICT` for the workload, and no `portLevelMtls` that says otherwise",
        ),
    }
}

/// What came of a request that went round the gate.
pub(super) fn direct(outcome: &Outcome) -> Option<Problem> {
    match outcome {
        Outcome::Closed(_) | Outcome::Unreachable(_) | Outcome::Answer { refusal: Some(_), .. } => None,
        Outcome::Answer { status, refusal: None } => problem(
            "interlock-missing",
            format!("the application answers with {status} what did not pass the gate"),
            "turn `interlock.enabled` on, and leave no port out of the mesh (`excludeInboundPorts`) that the application listens on",
        ),
    }
}

/// Whether the fleet enforces what is published.
pub(super) fn fleet(fleet: &Fleet, audience: Option<&str>, least: Option<u64>) -> Option<Problem> {
    let Some(published) = fleet.serial else {
        return problem("bundle-absent", "the companion has published nothing", "its `/readyz` says why");
    };
    if least.is_some_and(|least| published < least) {
        let message =
            format!("the companion has published serial {published}, not {}", least.unwrap_or_default());
        return problem("bundle-stale", message, "its `/readyz` says whether the last policy was refused");
    }
    let ours =
        |node: &&super::Node| audience.is_none_or(|audience| node.audience.as_deref() == Some(audience));
    let nodes: Vec<_> = fleet.nodes.iter().filter(ours).collect();
    if nodes.is_empty() {
        let help = "is `gate.companion` the companion's address, and may these sidecars call it?";
        return problem("nobody-asks", "no gate has asked the companion in the last five minutes", help);
    }
    let behind = nodes.iter().find(|node| match (node.serial, node.published) {
        _ if node.unheard => false,
        (None, _) => true,
        (Some(theirs), Some(ours)) => theirs < ours,
        (Some(_), None) => false,
    });
    let behind = behind?;
    let name = printable(&behind.node);
    let has = behind.serial.map_or("nothing".to_owned(), |serial| format!("serial {serial}"));
    let of = behind.published.unwrap_or(published);
    let why =
        behind.refused.as_deref().map(|why| format!("; it refused the last bundle: {}", printable(why)));
    let message = format!("`{name}` enforces {has}, and serial {of} is published{}", why.unwrap_or_default());
    problem(
        "bundle-stale",
        message,
        "`policy-compiler status` lists every gate; a gate's log says why a bundle was refused",
    )
}

pub(super) fn no_companion(why: &str) -> Problem {
    let help = "is it running, and may we call it? Its `--admin` address answers without TLS";
    Problem { id: "companion-unreachable", message: format!("the companion does not answer: {why}"), help }
}

fn unreachable(why: &str) -> Option<Problem> {
    problem(
        "unreachable",
        format!("there is no connection: {why}"),
        "check the address, and that the workload is running",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Node;

    fn expect(verdict: &str, reason: Option<&str>) -> Expect {
        Expect { verdict: Some(verdict.to_owned()), reason: reason.map(str::to_owned), ..Expect::default() }
    }

    fn answer(status: u16, reason: &str) -> Outcome {
        let refusal = match reason {
            "" => None,
            "RBAC" => Some(Refusal::Istio),
            reason => Some(Refusal::Gate(reason.to_owned())),
        };
        Outcome::Answer { status, refusal }
    }

    #[test]
    fn who_refused_tells_what_is_wrong() {
        let (allow, deny) = (expect("allow", None), expect("deny", Some("scope.*")));
        for (expect, outcome, id) in [
            (&allow, answer(200, ""), None),
            (&allow, answer(404, ""), None),
            (&allow, answer(503, ""), Some("not-served")),
            (&allow, answer(403, "scope.tool"), Some("refused")),
            (&allow, answer(403, "identity.malformed"), Some("identity-malformed")),
            (&allow, answer(401, "identity.absent"), Some("identity-absent")),
            (&allow, answer(403, "RBAC"), Some("gate-absent")),
            (&deny, answer(403, "scope.tool"), None),
            (&deny, answer(403, "scopes.tool"), Some("other-reason")),
            (&deny, answer(403, "policy.denied"), Some("other-reason")),
            (&deny, answer(403, "policy.absent"), Some("policy-absent")),
            (&deny, answer(403, "policy.stale"), Some("policy-stale")),
            (&deny, answer(403, "RBAC"), Some("gate-absent")),
            (&deny, answer(403, ""), Some("gate-absent")),
            (&deny, answer(200, ""), Some("gate-absent")),
            (&deny, Outcome::Closed(String::new()), Some("not-answered")),
            (&deny, Outcome::Unreachable(String::new()), Some("unreachable")),
        ] {
            assert_eq!(case(expect, &outcome).map(|problem| problem.id), id, "{outcome:?}");
        }
    }

    #[test]
    fn other_ways_must_lead_nowhere() {
        let id = |problem: Option<Problem>| problem.map(|problem| problem.id);
        assert_eq!(id(without_identity(&Outcome::Closed(String::new()), "x")), None);
        assert_eq!(id(without_identity(&answer(401, "identity.absent"), "x")), Some("mtls-not-strict"));
        assert_eq!(id(direct(&answer(403, "RBAC"))), None);
        assert_eq!(id(direct(&Outcome::Unreachable(String::new()))), None);
        assert_eq!(id(direct(&answer(404, ""))), Some("interlock-missing"));
    }

    #[test]
    fn a_fleet_enforces_what_is_published() {
        let node = |serial, refused: Option<&str>| Node {
            node: "tool-api-1\u{1b}".to_owned(),
            audience: Some("tools".to_owned()),
            serial,
            published: Some(7),
            refused: refused.map(str::to_owned),
            unheard: serial == Some(5),
        };
        let id = |serial, nodes, audience, least| {
            fleet(&Fleet { serial, nodes }, audience, least).map(|problem| problem.id)
        };
        assert_eq!(id(None, vec![], None, None), Some("bundle-absent"));
        assert_eq!(id(Some(7), vec![node(Some(7), None)], Some("tools"), Some(7)), None);
        assert_eq!(id(Some(7), vec![node(Some(7), None)], None, Some(8)), Some("bundle-stale"));
        assert_eq!(id(Some(7), vec![node(Some(7), None)], Some("other"), None), Some("nobody-asks"));
        assert_eq!(
            id(Some(7), vec![node(Some(8), None), node(None, None)], None, None),
            Some("bundle-stale")
        );
        assert_eq!(
            id(Some(7), vec![node(Some(5), None)], None, None),
            None,
            "it could not say yet what it has"
        );
        let told =
            fleet(&Fleet { serial: Some(7), nodes: vec![node(Some(6), Some("signature"))] }, None, None);
        let message = told.unwrap().message;
        assert!(
            message.ends_with(
                "enforces serial 6, and serial 7 is published; it refused the last bundle: signature"
            ),
            "{message}"
        );
        assert!(!message.contains('\u{1b}'));
    }
}
