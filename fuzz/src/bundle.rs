//! Bundles: reading one never panics, what is read is written as the same policy, and judging by it never panics either.
//!
//! The input is tried as a bundle and as the payload of one.

use sallyport_engine::bundle::{FORMAT, MAGIC, decode, encode};
use sallyport_engine::http::Head;
use sallyport_engine::identity::Peer;
use sallyport_engine::{End, Exchange, Nowhere, Policy};
use std::rc::Rc;

/// Checks one bundle.
pub fn check(data: &[u8]) {
    check_bundle(data);
    let mut framed = MAGIC.to_vec();
    framed.extend(FORMAT.to_le_bytes());
    framed.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    framed.extend(data);
    check_bundle(&framed);
}

fn check_bundle(bundle: &[u8]) {
    let Ok(policy) = decode(bundle) else { return };
    let written = encode(&policy).expect("what was read can be written");
    let again = decode(&written).expect("what was written can be read");
    assert_eq!(encode(&again).as_ref(), Ok(&written), "the same policy gives the same bytes");
    judge(Rc::new(policy));
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
            let _ = exchange.record().to_json();
        }
    }
}
