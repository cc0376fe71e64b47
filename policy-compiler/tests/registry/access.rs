//! Who is let in, and over what.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sallyport_playground::pki::Ca;
use serde_json::json;

use super::proxy::{Act, Proxy};
use super::registry::{Login, PASSWORD, Registry, Tool, USER, wasm};

#[test]
fn with_tls_and_a_password_a_module_goes_and_comes_back() {
    let registry = Registry::new(true, Login::Password);
    let host = registry.address.to_string();
    let (place, ca) = (registry.reference("team/filter:1"), registry.path("ca.pem"));
    let tool = Tool::logged_in(&host, USER, PASSWORD);
    let file = tool.file("module.wasm", &wasm());
    let push = ["push", &file, &place, "--ca-file", &ca];
    let first = tool.json(&push);
    assert_eq!(first, tool.json(&push));
    let out = tool.name("out");
    tool.json(&["pull", &place, "--ca-file", &ca, "-o", &out]);
    assert_eq!(fs::read(&out).unwrap(), wasm());

    // What does not let us in, each said in one line and tried once.
    let unknown_ca = {
        let path = tool.name("other.pem");
        Ca::new("acme.internal").unwrap().write_certificate(path.as_ref()).unwrap();
        path
    };
    let wrong = Tool::logged_in(&host, USER, "open barley");
    for (tool, more, words) in [
        (&Tool::new(), ["--ca-file", &ca], "docker login"),
        (&wrong, ["--ca-file", &ca], "refuses the credentials"),
        (&tool, ["--ca-file", &unknown_ca], "no TLS with"),
        (&tool, ["--ca-file", &file], "no certificate in it"),
        (&tool, ["--tries", "1"], "no TLS with"),
        (&tool, ["--plain-http", "--tries=1"], "400"),
    ] {
        for args in [vec!["pull", &place, "-o", &out], vec!["push", &file, &place]] {
            let ended = tool.run(&[&args[..], &more].concat());
            assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{more:?}: {ended:?}");
            assert!(ended.stderr.contains(words), "{more:?}: {ended:?}");
            assert!(!ended.stderr.contains("barley"), "{ended:?}");
        }
    }
}

#[test]
fn credentials_come_from_helpers_too() {
    let registry = Registry::new(false, Login::Password);
    let host = registry.address.to_string();
    let place = registry.reference("filter:1");
    let helper = |tool: &Tool, script: &str| {
        let path = tool.folder.path().join("helpers/docker-credential-test");
        fs::write(&path, format!("#!/bin/sh\nread -r host\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let answer = json!({"ServerURL": host, "Username": USER, "Secret": PASSWORD});
    let good = format!("[ \"$1 $host\" = 'get {host}' ] || exit 1\necho '{answer}'");
    for config in [json!({"credHelpers": {&host: "test"}}), json!({"credsStore": "test"})] {
        let tool = Tool::configured(&config);
        let file = tool.file("module.wasm", &wasm());
        let push = ["push", &file, &place, "--plain-http"];
        helper(&tool, &good);
        assert_eq!(tool.run(&push).code, Some(0), "{config}");
        helper(&tool, "echo 'credentials not found in native keychain'; exit 1");
        assert!(tool.run(&push).stderr.contains("docker login"), "{config}");
        helper(&tool, "echo 'it is locked' >&2; exit 3");
        assert!(tool.run(&push).stderr.contains("helper `test` fails"), "{config}");
    }
    // Where the helper knows nothing, what is in the file counts.
    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let tool = Tool::configured(&json!({"credsStore": "test", "auths": {&host: {"auth": auth}}}));
    helper(&tool, "echo 'credentials not found in native keychain'; exit 1");
    let file = tool.file("module.wasm", &wasm());
    assert_eq!(tool.run(&["push", &file, &place, "--plain-http"]).code, Some(0));

    let broken = Tool::new();
    broken.file("config.json", format!("{{\"auths\": {{\"{PASSWORD}").as_bytes());
    let ended = broken.run(&["pull", &place, "--plain-http", "-o", "x"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("no configuration of Docker"), "{ended:?}");
}

/// 0.0.0.0 leads here as well, but is no loopback address: it stands for any other machine.
#[test]
fn without_tls_no_other_machine_is_told_who_we_are() {
    let registry = Registry::open();
    let proxy = Proxy::before(registry.address, |_, _| {
        Act::Answer("401 who\r\nwww-authenticate: Basic realm=\"x\"".to_owned())
    });
    let host = format!("0.0.0.0:{}", proxy.address.port());
    let tool = Tool::logged_in(&host, USER, PASSWORD);
    let ended = tool.run(&["pull", &format!("oci://{host}/x:1"), "--plain-http", "-o", "x", "--tries", "1"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("not sent without TLS"), "{ended:?}");
    assert_eq!(proxy.asked().len(), 1);
    assert!(proxy.asked().iter().all(|head| !head.contains("authorization")), "{:?}", proxy.asked());
}
