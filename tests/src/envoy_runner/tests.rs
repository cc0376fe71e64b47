//! The runner against a real Envoy and the core corpus' policy.

use std::path::Path;

use policy_compiler::cases::{Case, Header, Message, Request, Response};
use policy_compiler::decide::{Observed, Runner};
use sallyport_playground::envoy::Program;

use super::EnvoyRunner;

const RESEARCH: &str = "spiffe://acme.internal/ns/agents/sa/research-agent";
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_docs","arguments":{}}}"#;

fn start() -> EnvoyRunner {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/core/policy.yaml");
    let (bundle, _) = policy_compiler::load_bundle(&policy);
    EnvoyRunner::start(&bundle.expect("the core policy compiles")).unwrap_or_else(|error| panic!("{error}"))
}

fn get(peers: Option<&[&str]>) -> Case {
    Case {
        name: "a case".to_owned(),
        place: "here".to_owned(),
        at: None,
        repeat: 1,
        request: Request {
            peers: peers.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            method: "GET".to_owned(),
            authority: "tool-api".to_owned(),
            path: "/docs/1".to_owned(),
            headers: Vec::new(),
            message: Message::default(),
        },
        response: Response::default(),
        expect: None,
    }
}

fn call(body: &str, cuts: &[usize], trailers: Vec<Header>) -> Case {
    let mut case = get(Some(&[RESEARCH]));
    case.request.method = "POST".to_owned();
    case.request.path = "/mcp".to_owned();
    case.request.headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
    case.request.message = Message { body: Some(body.as_bytes().to_vec()), cuts: cuts.to_vec(), trailers };
    case
}

fn verdict(observed: &Observed) -> (&str, &str, u16) {
    (&observed.record.verdict, &observed.record.reason, observed.status)
}

#[test]
fn what_goes_on_and_what_comes_back_is_what_was_sent() {
    let mut runner = start();
    let mut case = call(CALL, &[1, 30, 2], Vec::new());
    case.request.headers.push(("x-raw".to_owned(), b"caf\xe9".to_vec()));
    case.response.status = 404;
    case.response.headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
    case.response.message.body = Some(br#"{"error":"not here"}"#.to_vec());
    let observed = runner.run(&case).unwrap();
    assert_eq!(verdict(&observed), ("allow", "allowed", 404));
    assert_eq!(observed.forwarded.as_deref(), Some(CALL.as_bytes()));
    assert_eq!(observed.returned.as_deref(), Some(br#"{"error":"not here"}"#.as_slice()));
    let headers = observed.headers.unwrap();
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, [":method", ":path", ":authority", "content-type", "x-raw", "x-workload-spiffe-id"]);
    assert_eq!(headers[4].1, b"caf\xe9");
    assert_eq!(headers[5].1, RESEARCH.as_bytes());
}

#[test]
fn nothing_of_a_refused_request_reaches_the_upstream() {
    let mut runner = start();
    let secret = CALL.replace("search_docs", "search_secrets");
    let trailers = vec![("x-sum".to_owned(), b"1".to_vec())];
    for case in
        [call(&secret, &[], Vec::new()), call(&secret, &[9, 9], Vec::new()), call(&secret, &[9], trailers)]
    {
        let observed = runner.run(&case).unwrap();
        assert_eq!(verdict(&observed), ("deny", "policy.denied", 403));
        assert_eq!((observed.forwarded, observed.headers), (None, None));
        assert!(String::from_utf8(observed.returned.unwrap()).unwrap().contains("policy.denied"));
    }
}

#[test]
fn every_caller_shows_the_certificate_that_the_case_names() {
    let mut runner = start();
    let mut verdict_of = |peers: Option<&[&str]>| {
        let observed = runner.run(&get(peers)).unwrap();
        (observed.record.reason, observed.record.caller, observed.status)
    };
    assert_eq!(verdict_of(None), ("identity.absent".to_owned(), None, 401));
    assert_eq!(verdict_of(Some(&[RESEARCH])), ("allowed".to_owned(), Some(RESEARCH.to_owned()), 200));
    assert_eq!(verdict_of(Some(&[])).0, "identity.absent");
    // An Envoy that shows only the first of them cannot have that refused.
    let twice =
        if Program::find(None).unwrap().shows_certificates() { "identity.malformed" } else { "allowed" };
    assert_eq!(verdict_of(Some(&[RESEARCH, RESEARCH])).0, twice);
    assert_eq!(verdict_of(Some(&["spiffe://evil.example/x"])).0, "identity.untrusted_domain");
    assert_eq!(verdict_of(Some(&[RESEARCH])).0, "allowed", "a second connection of the same caller");
}

#[test]
fn what_cannot_be_put_on_the_wire_is_an_error_of_its_case_alone() {
    let mut runner = start();
    let told = |runner: &mut EnvoyRunner, case: &Case| runner.run(case).unwrap_err().to_string();
    let mut two_lines = get(Some(&[RESEARCH]));
    two_lines.request.headers.push(("x-a".to_owned(), b"b\r\nx-c: d".to_vec()));
    assert!(told(&mut runner, &two_lines).contains("x-a"));
    assert!(told(&mut runner, &get(Some(&["spiffe://acme.internal/\u{e4}"]))).contains("ASCII"));
    let mut no_header = get(Some(&[RESEARCH]));
    no_header.response.headers.push(("a b".to_owned(), Vec::new()));
    assert!(told(&mut runner, &no_header).contains("scripted response"));
    assert_eq!(verdict(&runner.run(&get(Some(&[RESEARCH]))).unwrap()), ("allow", "allowed", 200));
}

#[test]
fn a_bundle_that_the_module_refuses_is_no_gate() {
    let told = EnvoyRunner::start(b"no bundle").unwrap_err().to_string();
    assert!(
        told.starts_with("the module does not accept the bundle:") && told.contains("pluginConfig"),
        "{told}"
    );
}
