//! A whole exchange: any request, under one of a few policies, in any pieces.
//!
//! The input reads like a request, so that seeds can be written by hand:
//!
//! ```text
//! PQcuts           a policy, a peer, then a byte for each piece that the body comes in: its length
//! METHOD path host
//! name: value      any number of headers
//!
//! body
//! ```

use crate::{fold, policies};
use sallyport_engine::http::{Head, HeaderPair};
use sallyport_engine::identity::{Peer, SpiffeId};
use sallyport_engine::json::Document;
use sallyport_engine::scan::{Severity, look};
use sallyport_engine::{End, Exchange, HeadStep, HeaderEdit, Nowhere, Policy, Record, Reply, Step, Verdict};
use sallyport_engine::{IDENTITY_HEADER, OWNED_PREFIX};
use std::rc::Rc;

const RESEARCH: &[u8] = b"spiffe://acme.internal/ns/agents/sa/research-agent";

/// Who may be calling.
const PEERS: [Peer<'static>; 10] = [
    Peer::Verified(&[RESEARCH]),
    Peer::Verified(&[b"spiffe://acme.internal/ns/agents/sa/deploy-agent"]),
    Peer::Verified(&[b"spiffe://acme.internal/ns/agents/sa/writer"]),
    Peer::Verified(&[b"spiffe://acme.internal/ns/agents/sa/coordinator"]),
    Peer::Verified(&[b"spiffe://partner.example/ns/agents/sa/research-agent"]),
    Peer::Verified(&[b"spiffe://acme.internal/ns/agents/sa/../sa/research-agent"]),
    Peer::Verified(&[RESEARCH, RESEARCH]),
    Peer::Verified(&[]),
    Peer::Unreadable,
    Peer::Anonymous,
];

/// An input, taken apart.
struct Request<'a> {
    policy: Rc<Policy>,
    peer: &'static Peer<'static>,
    cuts: &'a [u8],
    pairs: Vec<HeaderPair<'a>>,
    body: &'a [u8],
}

/// What came of it.
#[derive(Debug, PartialEq)]
struct Outcome {
    edits: Vec<HeaderEdit>,
    step: Step,
    record: Record,
}

/// Checks one request.
pub fn check(data: &[u8]) {
    let Some(request) = Request::read(data) else { return };
    let whole = request.drive(&[]);
    let cut = request.drive(request.cuts);
    assert_eq!((&whole.edits, &whole.step), (&cut.edits, &cut.step), "the pieces decided");
    // A body that is too long may be refused before all of it has come, and the record says how much had.
    let same = Record { request_bytes: cut.record.request_bytes, ..whole.record.clone() };
    assert_eq!(same, cut.record, "the pieces show in the record");
    request.check_outcome(&whole);
    if whole.record.protocol == Some("mcp") {
        for body in fold::twins(request.body) {
            let twin = request.with(&request.pairs, &body);
            twin.check_outcome(&twin.drive(&[]));
        }
    }
}

impl<'a> Request<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let (control, rest) = line(data)?;
        let (start, mut rest) = line(rest)?;
        let [policy, peer, cuts @ ..] = control else { return None };
        let mut words = start.splitn(3, |&byte| byte == b' ');
        let mut pairs: Vec<HeaderPair<'a>> = [&b":method"[..], b":path", b":authority"]
            .into_iter()
            .filter_map(|name| Some((name, words.next()?)))
            .collect();
        while let Some((header, after)) = line(rest) {
            rest = after;
            if header.is_empty() {
                break;
            }
            let colon = header.iter().position(|&byte| byte == b':').unwrap_or(header.len());
            let value = header.get(colon + 1..).unwrap_or_default();
            // Envoy's codecs refuse names that are no tokens (RFC 9110 section 5.6.2), so none arrives.
            if is_token(&header[..colon]) {
                pairs.push((&header[..colon], value.strip_prefix(b" ").unwrap_or(value)));
            }
        }
        Some(Self {
            policy: policies::policy(usize::from(policy.wrapping_sub(b'0'))),
            peer: &PEERS[usize::from(peer.wrapping_sub(b'0')) % PEERS.len()],
            cuts,
            pairs,
            body: rest,
        })
    }

    /// The same request with other headers and another body, whose length is whatever it is.
    fn with<'b>(&self, pairs: &[HeaderPair<'b>], body: &'b [u8]) -> Request<'b> {
        let lengthless = |(name, _): &&HeaderPair<'b>| !name.eq_ignore_ascii_case(b"content-length");
        let pairs = pairs.iter().filter(lengthless).copied().collect();
        Request { policy: Rc::clone(&self.policy), peer: self.peer, cuts: &[], pairs, body }
    }

    fn check_outcome(&self, outcome: &Outcome) {
        check_record(self, outcome);
        match &outcome.step {
            Step::Reply(reply) => check_reply(reply, &outcome.record),
            Step::Forward => check_forwarded(self, outcome, self.body),
            Step::Replace(body) => check_forwarded(self, outcome, body),
            Step::Hold => panic!("held for ever"),
            Step::Stream => panic!("a request is no stream"),
        }
    }

    /// As filter/src/stream.rs does: the head; each time that more has come, how much that is; at the end the whole body. What
    /// goes on is not put back.
    fn drive(&self, cuts: &[u8]) -> Outcome {
        let mut exchange = Exchange::new(Some(Rc::clone(&self.policy)), Rc::new(Nowhere));
        let end = if self.body.is_empty() { End::Last } else { End::More };
        let HeadStep { edits, mut step } = exchange.request_head(&Head::new(&self.pairs), self.peer, end);
        let mut buffered = 0;
        for &cut in cuts {
            buffered = self.body.len().min(buffered + usize::from(cut));
            if step == Step::Hold {
                step = exchange.request_progress(buffered);
            }
        }
        if step == Step::Hold {
            step = exchange.request_body(self.body);
        }
        self.check_final(&mut exchange, &step);
        Outcome { edits, step, record: exchange.end().clone() }
    }

    /// What was decided stays decided, whatever the driver goes on to do.
    fn check_final(&self, exchange: &mut Exchange, step: &Step) {
        let refused = matches!(step, Step::Reply(_));
        assert_eq!(exchange.end().verdict() == Verdict::Allow, !refused);
        if !refused {
            assert_eq!(
                (exchange.request_progress(usize::MAX), exchange.request_body(b"{}")),
                (Step::Forward, Step::Forward)
            );
            return;
        }
        // On a copy, for it changes the reason: there is no way from a refusal to anything else.
        let mut again = Exchange::new(Some(Rc::clone(&self.policy)), Rc::new(Nowhere));
        let _ = again.request_head(&Head::new(&self.pairs), self.peer, End::More);
        let _ = again.request_body(self.body);
        assert!(matches!(again.request_progress(0), Step::Reply(_)));
        assert!(matches!(again.request_body(self.body), Step::Reply(_)));
        assert!(matches!(again.fail(), Step::Reply(_)) && again.end().verdict() == Verdict::Deny);
    }

    /// The names and values as they go on.
    fn edited(&self, edits: &[HeaderEdit]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut pairs: Vec<_> =
            self.pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        for edit in edits {
            match edit {
                HeaderEdit::Remove(gone) => {
                    pairs.retain(|(name, _)| !name.eq_ignore_ascii_case(gone.as_bytes()))
                }
                HeaderEdit::Add(name, value) => {
                    pairs.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                }
            }
        }
        pairs
    }
}

fn is_token(name: &[u8]) -> bool {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !name.is_empty() && name.iter().all(token)
}

fn line(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|&byte| byte == b'\n')?;
    Some((&data[..end], &data[end + 1..]))
}

/// What goes on was granted to one known caller, carries that caller's name once, and is what was judged.
fn check_forwarded(request: &Request<'_>, outcome: &Outcome, body: &[u8]) {
    let let_go = outcome.record.passed.is_some();
    let Some(caller) = outcome.record.caller.as_ref().map(SpiffeId::as_str) else {
        assert!(let_go, "nobody unknown is let pass");
        return check_nobody(request, outcome);
    };
    assert!(matches!(request.peer, Peer::Verified([one]) if *one == caller.as_bytes()));
    let named = outcome.record.rule.is_some() && outcome.record.mission.is_some();
    assert!(let_go || named, "a rule allowed it");
    let pairs = request.edited(&outcome.edits);
    // Some servers read `_` as `-`.
    let plain = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase().replace('_', "-");
    let stamped: Vec<_> = pairs.iter().filter(|(name, _)| plain(name) == IDENTITY_HEADER).collect();
    assert!(matches!(stamped[..], [(_, value)] if value == caller.as_bytes()), "{stamped:?}");
    assert!(
        !pairs.iter().any(|(name, _)| plain(name).starts_with(OWNED_PREFIX)),
        "one of our headers passed"
    );
    let reads_json = matches!(outcome.record.protocol, Some("mcp" | "llm"));
    assert!(
        let_go || !reads_json || body.is_empty() || Document::parse(body).is_ok(),
        "a body passed that has no one meaning"
    );
    let replaced = body != request.body;
    if replaced {
        let gone = |name: &str| !pairs.iter().any(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        assert!(gone("content-encoding") && gone("content-length"));
    }
    if let_go {
        return;
    }
    let pairs: Vec<HeaderPair<'_>> =
        pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    let again = |body: &[u8]| request.with(&pairs, body).drive(&[]);
    if replaced {
        let again = again(body);
        assert_eq!(again.step, Step::Forward, "what went on decoded would have passed as it now is");
        assert_eq!(again.record.operation, outcome.record.operation);
    }
    if outcome.record.protocol == Some("mcp")
        && let Some(read) = fold::folded(&request.policy, body)
    {
        let again = again(&read);
        let shown = String::from_utf8_lossy(&read);
        assert_eq!(again.step, Step::Forward, "a server that folds case reads {shown}, which is refused");
        assert_eq!(again.record.operation, outcome.record.operation);
    }
}

/// Of someone unknown nothing passes that only the gate may say.
fn check_nobody(request: &Request<'_>, outcome: &Outcome) {
    let pairs = request.edited(&outcome.edits);
    let plain = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase().replace('_', "-");
    let ours = |name: String| name == IDENTITY_HEADER || name.starts_with(OWNED_PREFIX);
    assert!(!pairs.iter().any(|(name, _)| ours(plain(name))), "one of our headers passed");
}

fn check_reply(reply: &Reply, record: &Record) {
    assert!((400..=599).contains(&reply.status), "{}", reply.status);
    assert_eq!(record.status, Some(reply.received_status()));
    if reply.grpc_status.is_none() {
        let body: serde_json::Value = serde_json::from_str(&reply.body).expect("a reply is JSON");
        assert!(body.is_object());
    }
    assert!(!reply.body.contains(['\n', '\r']));
}

/// One line of JSON with every key, and nothing in it that a detector finds.
fn check_record(request: &Request<'_>, outcome: &Outcome) {
    let line = outcome.record.to_json();
    assert!(!line.chars().any(char::is_control));
    let read: serde_json::Value = serde_json::from_str(&line).expect("a record is JSON");
    for key in [
        "verdict",
        "reason",
        "status",
        "agent",
        "mission",
        "rule",
        "operation",
        "findings",
        "mode",
        "enforced",
        "caller",
        "protocol",
        "requestBytes",
        "responseBytes",
        "findingsUnlisted",
        "time",
        "decisionMicros",
        "workload",
        "destination",
        "traceId",
        "requestId",
    ] {
        assert!(read.get(key).is_some(), "{key} is missing");
    }
    assert_eq!(read["verdict"], outcome.record.verdict().as_str());
    assert_eq!(read["reason"] == "allowed", outcome.record.enforced() == Verdict::Allow);
    assert!(
        outcome.record.passed.is_none()
            || outcome.record.verdict() == Verdict::Allow
            || outcome.record.refusal.is_some()
    );
    let catalogue = &request.policy.parts().catalogue;
    let secret = look(catalogue, line.as_bytes()).into_iter().find(|found| {
        catalogue.detector(found.detector).is_some_and(|of| of.severity == Severity::Critical && !of.threat)
    });
    assert!(secret.is_none(), "{secret:?} in a record: {line}");
}
