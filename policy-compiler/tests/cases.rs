//! Case files are read to the letter: every key, both languages, one case or many in a file.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::time::{Duration, SystemTime};

use policy_compiler::cases::{Case, Expect, Message, Request, Response, load};
use policy_compiler::report::Colour;

const YAML: &str = r#"
name: everything
at: "2026-11-21T10:00:00Z"
repeat: 3
request:
  peers: [spiffe://a/b, spiffe://a/c]
  method: POST
  authority: host:8080
  path: /p?q=1
  headers: [[x-a, "1"], [X-A, ""], [x-raw, {base64: /w==}]]
  bodyFile: body.bin
  chunks: [1, 0]
  trailers: [[x-t, end]]
response:
  status: 503
  headers: [[content-type, text/plain]]
  bodyBase64: |
    aGVs
    bG8=
expect:
  verdict: deny
  reason: scope.*
  status: 403
  forwarded: null
  returned: "null"
  headers: [[x-a, "1"], [x-b, null]]
  trailers: [[x-t, "2"], [x-u, null]]
  findings: []
---
- name: the least
  request: {method: GET, authority: a, path: /}
- name: without a body that is absent
  request: {peer: spiffe://a/b, method: PUT, authority: a, path: /, body: ""}
"#;

fn everything() -> Case {
    let pair = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec());
    Case {
        name: "everything".to_owned(),
        place: String::new(),
        at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_255_200)),
        repeat: 3,
        request: Request {
            peers: Some(vec!["spiffe://a/b".to_owned(), "spiffe://a/c".to_owned()]),
            method: "POST".to_owned(),
            authority: "host:8080".to_owned(),
            path: "/p?q=1".to_owned(),
            headers: vec![pair("x-a", b"1"), pair("X-A", b""), pair("x-raw", b"\xff")],
            message: Message {
                body: Some(b"\x00\x01\xff".to_vec()),
                cuts: vec![1, 0],
                trailers: vec![pair("x-t", b"end")],
            },
        },
        response: Response {
            status: 503,
            headers: vec![pair("content-type", b"text/plain")],
            message: Message { body: Some(b"hello".to_vec()), ..Message::default() },
        },
        expect: Some(Expect {
            verdict: Some("deny".to_owned()),
            reason: Some("scope.*".to_owned()),
            status: Some(403),
            forwarded: Some(None),
            returned: Some(Some(b"null".to_vec())),
            headers: vec![("x-a".to_owned(), Some(b"1".to_vec())), ("x-b".to_owned(), None)],
            trailers: vec![("x-t".to_owned(), Some(b"2".to_vec())), ("x-u".to_owned(), None)],
            findings: Some(Vec::new()),
        }),
    }
}

fn read(name: &str, text: &str) -> Vec<Case> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("body.bin"), b"\x00\x01\xff").unwrap();
    let file = directory.path().join(name);
    fs::write(&file, text).unwrap();
    let (cases, report) = load(&[file]);
    assert_eq!(report.text(Colour::Never), "");
    cases
}

#[test]
fn every_key_is_read() {
    let cases = read("cases.yaml", YAML);
    assert!(cases[0].place.ends_with("cases.yaml:2"), "{}", cases[0].place);
    assert_eq!(Case { place: String::new(), ..cases[0].clone() }, everything());
}

#[test]
fn what_is_left_out_has_its_default() {
    let [_, least, empty] = read("cases.yaml", YAML).try_into().unwrap();
    assert_eq!((least.at, least.request.peers, &least.expect), (None, None, &None));
    assert_eq!((least.request.message, least.response), (Message::default(), Response::default()));
    assert_eq!(Response::default().message.body.as_deref(), Some(&b"{}"[..]));
    assert_eq!(empty.request.peers.as_deref(), Some(&["spiffe://a/b".to_owned()][..]));
    assert_eq!(empty.request.message.body.as_deref(), Some(&b""[..]), "an empty body is a body");
}

#[test]
fn json_reads_alike() {
    let json = r#"[{"name": "n", "request": {"peer": "spiffe://a/b", "method": "POST", "authority": "a", "path": "/",
        "headers": [["content-type", "application/json"]], "body": "{\"k\":\"\\ud83d\\ude00 \ud83d\ude00\"}"},
        "expect": {"forwarded": null, "status": 200}}]"#;
    let yaml = "name: n\nrequest:\n  peer: spiffe://a/b\n  method: POST\n  authority: a\n  path: /\n  headers: [[content-type, \
                application/json]]\n  body: '{\"k\":\"\\ud83d\\ude00 \u{1f600}\"}'\nexpect: {forwarded: null, status: 200}\n";
    let without_place = |cases: Vec<Case>| {
        cases.into_iter().map(|case| Case { place: String::new(), ..case }).collect::<Vec<_>>()
    };
    assert_eq!(without_place(read("n.json", json)), without_place(read("n.yaml", yaml)));
}
