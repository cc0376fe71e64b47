//! Event streams: what goes on, what is found and what is refused do not depend on how a stream was cut; nothing is added, moved or
//! lost; and a stream in which nothing is found goes on as it came.
//!
//! The first line of the input is a digit for the route, then a byte for each piece that the stream comes in: its length. The rest
//! is the stream; in it a byte 0xff and the next stand for a secret, so that seeds hold none and a fuzzer need not guess them.

use crate::policies;
use sallyport_engine::http::{Head, HeaderPair};
use sallyport_engine::identity::Peer;
use sallyport_engine::{Chunk, End, Exchange, Nowhere, Policy, Record, Step, Verdict};
use std::rc::Rc;

const RESEARCH: &[u8] = b"spiffe://acme.internal/ns/agents/sa/research-agent";
const CALL: &[u8] =
    br#"{"jsonrpc":"2.0","id":"q","method":"tools/call","params":{"name":"x1","arguments":{}}}"#;
/// In parts, so that no scanner of sources takes them for real.
const SECRETS: [[&str; 2]; 4] = [
    ["AKIA", "Z3QX7NBTM2VKLR5D"],
    ["4111 1111 ", "1111 1111"],
    ["-----BEGIN RSA PRIVATE ", "KEY-----\\nMIIBOgIBAAJBAK\\n-----END RSA PRIVATE KEY-----"],
    ["QUtJQVozUVg3", "TkJUTTJWS0xSNUQ="],
];

/// What came of a stream.
struct Outcome {
    out: Vec<u8>,
    record: Record,
}

/// Checks one stream.
pub fn check(data: &[u8]) {
    let mut lines = data.splitn(2, |&byte| byte == b'\n');
    let (Some([route, cuts @ ..]), Some(stream)) = (lines.next(), lines.next()) else { return };
    let policy = policies::policy(0);
    let stream = expand(stream);
    let whole = drive(&policy, *route, &stream, &[]);
    let bytes = vec![1; stream.len()];
    for cuts in [cuts, &bytes] {
        let cut = drive(&policy, *route, &stream, cuts);
        let shown = String::from_utf8_lossy(&stream);
        assert_eq!(whole.out, cut.out, "the pieces decided what goes on of {shown}");
        assert_eq!(whole.record.findings, cut.record.findings, "the pieces decided what is found in {shown}");
        assert_eq!(whole.record.refusal, cut.record.refusal, "the pieces decided on a refusal of {shown}");
    }
    match whole.record.verdict() {
        Verdict::Deny => assert!(whole.out.ends_with(b"\n\n"), "a refusal is an event"),
        Verdict::Allow => assert_eq!(whole.out, stream, "nothing was found, and something changed"),
        _ => assert_eq!(ends(&whole.out), ends(&stream), "a line was added, or lost"),
    }
}

fn expand(stream: &[u8]) -> Vec<u8> {
    let mut expanded = Vec::new();
    let mut bytes = stream.iter();
    while let Some(&byte) = bytes.next() {
        match bytes.as_slice().first().filter(|_| byte == 0xff) {
            Some(&number) => {
                let parts = &SECRETS[usize::from(number & 3)];
                let half = usize::from(number >> 4 & 3);
                // All of it, or one half: the other may come later.
                let parts = match half {
                    1 => &parts[..1],
                    2 => &parts[1..],
                    _ => &parts[..],
                };
                parts.iter().for_each(|part| expanded.extend(part.bytes()));
                bytes.next();
            }
            None => expanded.push(byte),
        }
    }
    expanded
}

/// Lets a request through and its answer come back in pieces.
fn drive(policy: &Rc<Policy>, route: u8, stream: &[u8], cuts: &[u8]) -> Outcome {
    let mut exchange = Exchange::new(Some(Rc::clone(policy)), Rc::new(Nowhere));
    let mcp = route % 2 == 1;
    let path: &[u8] = if mcp { b"/mcp" } else { b"/docs/x" };
    let mut request: Vec<HeaderPair<'_>> = vec![
        (b":method", if mcp { b"POST" } else { b"GET" }),
        (b":path", path),
        (b":authority", b"tool-api"),
    ];
    if mcp {
        request.push((b"content-type", b"application/json"));
        request.push((b"accept", b"application/json, text/event-stream"));
    }
    let peer = Peer::Verified(&[RESEARCH]);
    let end = if mcp { End::More } else { End::Last };
    let mut step = exchange.request_head(&Head::new(&request), &peer, end).step;
    if step == Step::Hold {
        step = exchange.request_body(CALL);
    }
    assert_eq!(step, Step::Forward, "the request is granted");
    let response: [HeaderPair<'_>; 2] = [(b":status", b"200"), (b"content-type", b"text/event-stream")];
    let step = exchange.response_head(&Head::new(&response), End::More).step;
    assert_eq!(step, Step::Stream, "the answer is judged as it comes");
    let mut out = Vec::new();
    let mut rest = stream;
    for &cut in cuts {
        let (piece, after) = rest.split_at(rest.len().min(cut.into()));
        rest = after;
        push(&mut exchange, piece, End::More, &mut out);
    }
    push(&mut exchange, rest, End::Last, &mut out);
    Outcome { out, record: exchange.end().clone() }
}

fn push(exchange: &mut Exchange, piece: &[u8], end: End, out: &mut Vec<u8>) {
    match exchange.response_chunk(piece, end) {
        Chunk::Forward => out.extend_from_slice(piece),
        Chunk::Replace(instead) => out.extend(instead),
    }
}

fn ends(stream: &[u8]) -> Vec<u8> {
    stream.iter().copied().filter(|byte| matches!(byte, b'\n' | b'\r')).collect()
}
