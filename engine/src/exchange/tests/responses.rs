//! What comes back, as far as it does not take a detector.

use super::{RESEARCH, call};
use crate::exchange::{Chunk, End, Exchange, HeadStep, HeaderEdit, Step};
use crate::http::{Head, HeaderPair};
use crate::identity::Peer;
use crate::policy::{Mode, Policy, PolicyParts, fixture};
use crate::record::Verdict;
use crate::response::sse::tests::catalogue;
use crate::surroundings::Nowhere;
use alloc::rc::Rc;
use alloc::vec::Vec;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const TOOLS: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"drop"},{"name":"fetch"}]}}"#;
const CUT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"fetch"}]}}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

fn head<'h>(pairs: &'h [(&'h str, &'h str)]) -> Vec<HeaderPair<'h>> {
    pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

/// An exchange of research's on the MCP route, after a request that was let go.
fn asked(body: &str, change: impl FnOnce(&mut PolicyParts)) -> Exchange {
    let mut parts = fixture::parts();
    change(&mut parts);
    let mut exchange = Exchange::new(Some(Rc::new(Policy::new(parts).unwrap())), Rc::new(Nowhere));
    let pairs = [(":method", "POST"), (":authority", "tool-api"), (":path", "/mcp"), JSON];
    let step =
        exchange.request_head(&Head::new(&head(&pairs)), &Peer::Verified(&[RESEARCH.as_bytes()]), End::More);
    assert_eq!(step.step, Step::Hold);
    assert_eq!(exchange.request_body(body.as_bytes()), Step::Forward);
    exchange
}

fn respond(exchange: &mut Exchange, status: &str, headers: &[(&str, &str)], end: End) -> HeadStep {
    let pairs: Vec<(&str, &str)> = [(":status", status)].iter().chain(headers).copied().collect();
    exchange.response_head(&Head::new(&head(&pairs)), end)
}

fn removed(step: &HeadStep) -> Vec<&str> {
    let mut names = Vec::new();
    for edit in &step.edits {
        if let HeaderEdit::Remove(name) = edit {
            names.push(name.as_str());
        }
    }
    names
}

fn replaced(text: &str) -> Step {
    Step::Replace(text.as_bytes().to_vec())
}

#[test]
fn a_list_is_held_whole_and_cut() {
    let mut exchange = asked(LIST, |_| ());
    let headers = [JSON, ("Content-Length", "80"), ("content-digest", "x"), ("etag", "\"a\"")];
    let step = respond(&mut exchange, "200", &headers, End::More);
    assert_eq!((removed(&step), &step.step), (vec!["content-length", "content-digest"], &Step::Hold));
    assert_eq!(exchange.response_progress(10), Step::Hold);
    assert_eq!(exchange.response_body(TOOLS.as_bytes()), replaced(CUT));
    let record = exchange.end();
    assert_eq!((record.verdict(), record.status), (Verdict::Allow, Some(200)));
    assert_eq!(record.response_bytes, u64::try_from(TOOLS.len()).unwrap());
}

#[test]
fn headers_with_a_secret_to_redact_are_taken_out_and_others_stay() {
    for (mode, out) in [(Mode::Enforce, &["x-debug", "X.Debug"][..]), (Mode::Observe, &[])] {
        let mut exchange = asked(LIST, |parts| {
            let guarded = catalogue::policy();
            parts.catalogue = guarded.parts().catalogue.clone();
            parts.profiles = guarded.parts().profiles.clone();
            parts.agents[0].mode = mode;
        });
        let secret = catalogue::secret();
        // A record names both alike; so what is known of one says nothing of the other.
        let headers = [("x-debug", &*secret), ("X.Debug", &secret), ("x-note", "none"), ("x-debug", "none")];
        let step = respond(&mut exchange, "200", &headers, End::Last);
        assert_eq!((removed(&step), &step.step), (out.to_vec(), &Step::Forward));
        let trailers = [("x-sum", &*secret), ("x-end", "1")];
        let edits = exchange.response_trailers(&Head::new(&head(&trailers)));
        assert_eq!(edits.len(), usize::from(mode == Mode::Enforce), "{edits:?}");
        assert_eq!(exchange.end().redacted, mode == Mode::Enforce);
    }
}

#[test]
fn what_nobody_looks_at_is_not_read() {
    for (body, status, end) in [
        (&*call("fetch"), "200", End::More),
        (LIST, "204", End::More),
        (LIST, "304", End::More),
        (LIST, "200", End::Last),
    ] {
        let mut exchange = asked(body, |_| ());
        let step = respond(&mut exchange, status, &[JSON, ("content-length", "80")], end);
        assert_eq!(step, HeadStep { edits: Vec::new(), step: Step::Forward }, "{body} {status}");
        exchange.response_passed(7);
        assert_eq!(exchange.end().response_bytes, 7);
    }
    assert!(asked(LIST, |_| ()).reads_response() && !asked(&call("fetch"), |_| ()).reads_response());
}

#[test]
fn a_coded_list_goes_on_decoded_with_a_weak_validator() {
    let mut exchange = asked(LIST, |_| ());
    let headers = [JSON, ("content-encoding", "deflate"), ("etag", "\"a\""), ("vary", "accept-encoding")];
    let step = respond(&mut exchange, "200", &headers, End::More);
    assert_eq!(removed(&step), ["content-encoding", "etag"]);
    assert!(step.edits.contains(&HeaderEdit::Add("etag", "W/\"a\"".into())));
    let body = miniz_oxide::deflate::compress_to_vec_zlib(CUT.as_bytes(), 6);
    assert_eq!(exchange.response_body(&body), replaced(CUT), "also where nothing is cut");
}

#[test]
fn a_refusal_has_a_status_as_long_as_the_head_waits() {
    let refused = |holds: bool| {
        let mut exchange = asked(LIST, |_| ()).holding_heads(holds);
        assert_eq!(respond(&mut exchange, "200", &[JSON], End::More).step, Step::Hold);
        let step = exchange.response_body(b"{");
        let record = exchange.end();
        assert_eq!((record.verdict(), &*record.reason()), (Verdict::Deny, "response.malformed"));
        (step, record.status, exchange)
    };
    let (step, status, _) = refused(true);
    let Step::Reply(reply) = step else { panic!("{step:?}") };
    assert_eq!((reply.status, status), (502, Some(502)));
    assert!(reply.body.starts_with(r#"{"jsonrpc":"2.0","id":1,"error""#));
    let (step, status, mut exchange) = refused(false);
    assert_eq!((step, status), (replaced(&reply.body), Some(200)));
    // Whatever should come after it.
    assert_eq!(exchange.response_chunk(b"more", End::More), Chunk::Replace(Vec::new()));
    assert_eq!(exchange.response_progress(99), replaced(""));
    assert!(matches!(exchange.response_body(b"more"), Step::Replace(_)));
}

#[test]
fn what_is_refused_by_its_head_has_a_status_in_any_case() {
    for (headers, reason) in [
        (&[JSON, ("content-encoding", "br")][..], "response.encoding"),
        (&[JSON, ("content-length", "99999999")], "response.too_large"),
        (&[("content-type", "image/png")], "response.unsupported"),
        (&[("content-type", "application/json; charset=utf-16")], "response.encoding"),
    ] {
        let mut exchange = asked(LIST, |_| ());
        let HeadStep { edits, step } = respond(&mut exchange, "200", headers, End::More);
        assert!(matches!(step, Step::Reply(reply) if reply.status == 502), "{headers:?}");
        assert_eq!((edits.len(), &*exchange.end().reason()), (0, reason));
    }
}

#[test]
fn a_body_that_grows_over_the_limit_is_refused_at_once() {
    let mut exchange = asked(LIST, |parts| parts.limits.max_body_bytes = 100);
    assert_eq!(respond(&mut exchange, "200", &[JSON], End::More).step, Step::Hold);
    assert_eq!(exchange.response_progress(100), Step::Hold);
    assert!(matches!(exchange.response_progress(101), Step::Replace(body) if !body.is_empty()));
    assert_eq!(exchange.end().reason(), "response.too_large");
}

#[test]
fn who_observes_gets_what_came() {
    let observes = |parts: &mut PolicyParts| {
        parts.settings.mode = Mode::Observe;
        parts.agents[0].mode = Mode::Observe;
    };
    let mut exchange = asked(LIST, observes);
    let step = respond(&mut exchange, "200", &[JSON, ("content-length", "80")], End::More);
    assert_eq!((step.edits.len(), step.step), (0, Step::Hold));
    assert_eq!(exchange.response_body(TOOLS.as_bytes()), Step::Forward);
    let mut exchange = asked(LIST, observes);
    assert_eq!(
        respond(&mut exchange, "200", &[("content-type", "image/png")], End::More).step,
        Step::Forward
    );
    let record = exchange.end();
    assert_eq!((record.verdict(), record.enforced()), (Verdict::Allow, Verdict::Deny));
}

#[test]
fn the_gates_own_answer_passes() {
    let mut exchange = Exchange::new(None, Rc::new(Nowhere));
    assert!(matches!(exchange.fail(), Step::Reply(_)));
    assert!(!exchange.reads_response());
    let step = respond(&mut exchange, "403", &[JSON], End::More);
    assert_eq!((step.step, exchange.end().status), (Step::Forward, Some(403)));
}
