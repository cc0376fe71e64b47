//! Bundles: reading one never panics, what is read is written as the same policy, and judging by it never panics either. None is
//! taken for one that a key signed which signed nothing.
//!
//! The input is tried as a bundle, as the payload of one, and as the signatures of one; as what a companion answers, and as what another
//! plugin may have written to the memory that workers share.

use sallyport_engine::bundle::{Bundle, KeySet, MAX_LEN, PublicKey, Terms, Trust, decode, encode, frame};
use sallyport_engine::http::Head;
use sallyport_engine::identity::Peer;
use sallyport_engine::subscription::{Answer, Lease, MAX_TAG_LEN, Notice, Subscription};
use sallyport_engine::{End, Exchange, Nowhere, Policy};
use std::rc::Rc;

/// A key whose private half no input can have signed with (RFC 8032 section 7.1, test 2).
const NOBODYS_KEY: &str = "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=";

/// Checks one bundle.
pub fn check(data: &[u8]) {
    check_bundle(data);
    let framed = frame(data, 1, &Terms::default()).expect("an input fits");
    check_bundle(&framed);
    let signed = [&frame(&[], 1, &Terms::default()).expect("nothing fits"), data].concat();
    check_bundle(&signed);
    check_shared(data);
    check_answer(data);
}

/// What is read of shared memory is what would be written there.
fn check_shared(data: &[u8]) {
    if let Some(notice) = Notice::read(data) {
        assert_eq!(notice.to_bytes(), data, "a notice has one form");
    }
    if let Some(lease) = Lease::take(Some(data), 1, 1_000) {
        assert!(lease.holder == 1 && lease.until > 1_000);
    }
}

/// An answer never brings into force what nobody signed, nor anything larger than a bundle.
fn check_answer(data: &[u8]) {
    for coding in ["identity", "gzip", "deflate"] {
        let head: [(&[u8], &[u8]); 3] =
            [(b":status", b"200"), (b"content-encoding", coding.as_bytes()), (b"etag", data)];
        let Ok(Answer::Bundle(bytes, tag)) = Answer::read(&Head::new(&head), data, b"") else { continue };
        assert!(bytes.len() <= MAX_LEN && tag.len() <= MAX_TAG_LEN);
        let key = PublicKey::parse(NOBODYS_KEY).expect("the RFC's key is one");
        let trust = Trust { keys: KeySet::new(vec![key], Vec::new()), audience: None };
        assert!(Subscription::new(trust).take(&bytes, None, Some(1)).is_err(), "a signature is forged");
    }
}

fn check_bundle(bytes: &[u8]) {
    if let Ok(bundle) = Bundle::read(bytes) {
        check_header(&bundle, bytes);
    }
    let Ok(policy) = decode(bytes) else { return };
    let written = encode(&policy).expect("what was read can be written");
    let again = decode(&written).expect("what was written can be read");
    assert_eq!(encode(&again).as_ref(), Ok(&written), "the same policy gives the same bytes");
    judge(Rc::new(policy));
}

/// The sections make up the bundle, and nobody has the key that would have to have signed it.
fn check_header(bundle: &Bundle<'_>, bytes: &[u8]) {
    let signatures: Vec<_> = bundle.signatures().map(|(id, signature)| (id, *signature)).collect();
    assert_eq!(bundle.signed_by(&signatures).as_deref(), Ok(bytes), "all of it is in its sections");
    let key = PublicKey::parse(NOBODYS_KEY).expect("the RFC's key is one");
    let trust = Trust { keys: KeySet::new(vec![key], Vec::new()), audience: None };
    assert!(trust.accept(None, bundle, Some(1)).is_err(), "a signature is forged");
}

/// Puts a few requests to the policy, at its own hosts and by its own callers.
fn judge(policy: Rc<Policy>) {
    let parts = policy.parts();
    let callers: Vec<&str> = parts.identities.iter().map(|(id, _)| id.as_str()).collect();
    let hosts: Vec<String> =
        parts.services.iter().flat_map(|service| &service.hosts).map(|host| host.to_string()).collect();
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"AKIA":"ghp_"}}}"#;
    for (caller, host) in
        callers.iter().chain([&"spiffe://acme.internal/a"]).zip(hosts.iter().chain([&"a".into()]))
    {
        for (method, path) in [("POST", "/mcp"), ("GET", "/docs/1")] {
            let head: [(&[u8], &[u8]); 3] = [
                (b":method", method.as_bytes()),
                (b":path", path.as_bytes()),
                (b":authority", host.as_bytes()),
            ];
            let mut exchange = Exchange::new(Some(Rc::clone(&policy)), Rc::new(Nowhere));
            let _ =
                exchange.request_head(&Head::new(&head), &Peer::Verified(&[caller.as_bytes()]), End::More);
            let _ = exchange.request_body(body);
            let _ = exchange.end().to_json();
        }
    }
}
