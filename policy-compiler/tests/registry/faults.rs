//! A registry that is busy, away, cut off or lying.

use std::fs;
use std::net::{SocketAddr, TcpListener};

use super::common::Project;
use super::layouts::bundle;
use super::proxy::{Act, Proxy};
use super::registry::{Registry, Tool, wasm};

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn what_may_pass_is_tried_again_and_what_was_sent_is_not_sent_twice() {
    let (registry, tool) = (Registry::open(), Tool::new());
    let file = tool.file("module.wasm", &wasm());
    // Every request fails once, each kind in its own way.
    let proxy = Proxy::before(registry.address, |head, before| match (before, head.split(' ').next()) {
        (0, Some("head")) => Act::Answer("503 busy\r\nretry-after: 1".to_owned()),
        (0, Some("post")) => Act::Drop,
        (0, Some("put")) if head.contains("/manifests/") => Act::Answer("500 oh".to_owned()),
        (0, Some("get")) => Act::Cut(100),
        _ => Act::Pass,
    });
    let place = proxy.reference("filter:1");
    let pushed = tool.run(&["push", &file, &place, "--plain-http"]);
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
    assert!(pushed.stderr.lines().count() >= 3, "{pushed:?}");
    assert!(pushed.stderr.lines().all(|line| line.starts_with("trying again in ")), "{pushed:?}");
    assert_eq!(proxy.count("put /v2/filter/blobs/uploads/"), 2, "config and layer");
    let again = tool.run(&["push", &file, &place, "--plain-http"]);
    assert_eq!((again.code, again.stdout), (Some(0), pushed.stdout));
    assert_eq!(proxy.count("put /v2/filter/blobs/uploads/"), 2, "they are there");

    let out = tool.name("out");
    let pulled = tool.run(&["pull", &place, "--plain-http", "-o", &out]);
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    assert_eq!(pulled.stderr.matches("no whole answer").count(), 2, "manifest and layer: {pulled:?}");
    assert_eq!(fs::read(&out).unwrap(), wasm());
}

#[test]
fn what_does_not_pass_is_given_up() {
    let (tool, registry) = (Tool::new(), Registry::open());
    let file = tool.file("module.wasm", &wasm());
    let busy = Proxy::before(registry.address, |_, _| Act::Answer("503 busy".to_owned()));
    for (place, words) in
        [(busy.reference("x:1"), "503"), (format!("oci://{}/x:1", nobody()), "no connection")]
    {
        let ended = tool.run(&["push", &file, &place, "--plain-http", "--tries", "3"]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 3, "two that were tried again, and the last: {ended:?}");
        assert!(lines[2].starts_with("error: ") && lines[2].contains(words), "{ended:?}");
    }
    assert_eq!(busy.asked().len(), 3);
    // What will not get better is not tried again.
    for (place, words) in [
        (registry.reference("no/such:1"), "there is no oci://"),
        (registry.reference("x:nothing"), "MANIFEST_UNKNOWN"),
    ] {
        let ended = tool.run(&["pull", &place, "--plain-http", "-o", &tool.name("out")]);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{ended:?}");
        assert!(ended.stderr.contains(words) || ended.stderr.contains("NAME_UNKNOWN"), "{ended:?}");
    }
}

#[test]
fn what_was_tampered_with_is_refused_and_nothing_is_written() {
    let (registry, tool, project) = (Registry::open(), Tool::new(), Project::new());
    let (module, out) = (tool.file("module.wasm", &wasm()), tool.name("out"));
    let place = registry.reference("filter:1");
    let pushed = tool.json(&["push", &module, &place, "--plain-http"]);
    let digest = format!("sha256:{}", pushed["sha256"].as_str().unwrap());
    let refused = |tool: &Tool, place: &str, more: &[&str]| {
        let ended = tool.run(&[&["pull", place, "--plain-http", "-o", &out], more].concat());
        assert_eq!(ended.code, Some(1), "{place}: {ended:?}");
        assert!(ended.stderr.contains("refused: ") && ended.stderr.contains("digest"), "{place}: {ended:?}");
        assert!(fs::metadata(&out).is_err(), "{place}");
    };
    // On its way: of layers, and of the manifest by its digest and by its tag.
    for what in ["/blobs/", "/manifests/"] {
        let proxy = Proxy::before(registry.address, move |head, _| {
            if head.starts_with("get") && head.contains(what) { Act::Tamper } else { Act::Pass }
        });
        refused(&tool, &proxy.reference("filter:1"), &[]);
        refused(&tool, &proxy.reference(&format!("filter@{digest}")), &[]);
    }
    // In the registry itself, by somebody who keeps the size.
    let bundle = bundle(&project, "policy.bundle", 7, &[]);
    let place = registry.reference("policy:1");
    tool.json(&["push", &bundle, &place, "--plain-http"]);
    let mut bytes = fs::read(&bundle).unwrap();
    let blob = registry.blob(&format!("sha256:{}", sha256(&bytes)));
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(blob, bytes).unwrap();
    refused(&tool, &place, &[]);
    // Another manifest under the digest that was asked for.
    let other =
        tool.json(&["push", &module, &registry.reference("filter:2"), "--plain-http", "--annotation", "a=b"]);
    let other_digest = format!("sha256:{}", other["sha256"].as_str().unwrap());
    fs::copy(registry.blob(&other_digest), registry.blob(&digest)).unwrap();
    refused(&tool, &registry.reference(&format!("filter@{digest}")), &[]);
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn who_we_are_is_not_told_to_those_a_registry_sends_us_to() {
    let tool = Tool::new();
    let registry = Registry::open();
    let file = tool.file("module.wasm", &wasm());
    tool.json(&["push", &file, &registry.reference("filter:1"), "--plain-http"]);
    let store = Proxy::before(registry.address, |_, _| Act::Pass);
    let elsewhere = store.address;
    // It asks for a password, and has its blobs elsewhere.
    let front = Proxy::before(registry.address, move |head, _| {
        if !head.contains("authorization: basic ") {
            return Act::Answer("401 who\r\nwww-authenticate: Basic realm=\"x\"".to_owned());
        }
        let path = head.split(' ').nth(1).unwrap();
        match path.contains("/blobs/") {
            true => Act::Answer(format!("307 there\r\nlocation: http://{elsewhere}{path}?signature=x")),
            false => Act::Pass,
        }
    });
    let known = Tool::logged_in(&front.address.to_string(), "robot", super::registry::PASSWORD);
    let out = known.name("out");
    let ended = known.run(&["pull", &front.reference("filter:1"), "--plain-http", "-o", &out]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(fs::read(&out).unwrap(), wasm());
    let asked = store.asked();
    assert!(asked.len() == 1 && !asked[0].contains("authorization"), "{asked:?}");

    let round = Proxy::before(registry.address, |head, _| {
        Act::Answer(format!("302 on\r\nlocation: {}", head.split(' ').nth(1).unwrap()))
    });
    let ended = tool.run(&["pull", &round.reference("filter:1"), "--plain-http", "-o", &out]);
    assert!(ended.code == Some(2) && ended.stderr.contains("place to place"), "{ended:?}");
    assert!(round.asked().len() < 10);
}

#[test]
fn answers_without_end_are_given_up() {
    let (registry, tool) = (Registry::open(), Tool::new());
    let file = tool.file("module.wasm", &wasm());
    tool.json(&["push", &file, &registry.reference("filter:1"), "--plain-http"]);
    for what in ["/manifests/", "/blobs/"] {
        let proxy = Proxy::before(registry.address, move |head, _| {
            if head.starts_with("get") && head.contains(what) { Act::Flood } else { Act::Pass }
        });
        let out = tool.name("out");
        let ended = tool.run(&["pull", &proxy.reference("filter:1"), "--plain-http", "-o", &out]);
        assert!(ended.code == Some(1) && ended.stderr.contains("sends more than "), "{what}: {ended:?}");
        assert!(fs::metadata(&out).is_err());
    }
}
