//! What is signed is known by its key, and what is not signed is not written.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::registry::{Registry, Tool, wasm};

/// The registry, the program, a pushed module, and two pairs of keys.
struct Setting {
    registry: Registry,
    tool: Tool,
    module: String,
    place: String,
}

impl Setting {
    fn new() -> Self {
        let (registry, tool) = (Registry::open(), Tool::new());
        for name in ["ours", "theirs"] {
            let ended = tool.run(&["keygen", "--output", &tool.name(name)]);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        }
        let module = tool.file("module.wasm", &wasm());
        let place = registry.reference("team/filter:1");
        Self { registry, tool, module, place }
    }

    /// Pushes the module, signed by these keys; its digest in hexadecimal.
    fn push(&self, keys: &[&str]) -> String {
        let names: Vec<_> = keys.iter().map(|key| self.tool.name(key)).collect();
        let mut words = vec!["push", &self.module, &self.place, "--plain-http"];
        names.iter().for_each(|name| words.extend(["--sign-with", name]));
        self.tool.json(&words)["sha256"].as_str().unwrap().to_owned()
    }

    /// Pulls it, if one of these signed it; the exit code and what was said.
    fn pull(&self, place: &str, keys: &[&str]) -> (Option<i32>, String) {
        let out = self.tool.name("out.wasm");
        let _ = fs::remove_file(&out);
        let names: Vec<_> = keys.iter().map(|key| self.tool.name(&format!("{key}.pub"))).collect();
        let mut words = vec!["pull", place, "--plain-http", "-o", &out];
        names.iter().for_each(|name| words.extend(["--verify-with", name]));
        let ended = self.tool.run(&words);
        assert_eq!(ended.code == Some(0), Path::new(&out).exists(), "what is refused is not written");
        (ended.code, ended.stderr)
    }

    /// What lies beside a digest.
    fn beside(&self, hex: &str) -> Value {
        let answer = self.registry.get(&format!("/v2/team/filter/manifests/sha256-{hex}.sig"));
        assert_eq!(answer.status, 200);
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Puts something else there, as anybody could who may push.
    fn put_beside(&self, hex: &str, manifest: &Value) {
        let body = manifest.to_string();
        let mut stream = TcpStream::connect(self.registry.address).unwrap();
        let head = format!(
            "PUT /v2/team/filter/manifests/sha256-{hex}.sig HTTP/1.1\r\nhost: r\r\nconnection: close"
        );
        let kind = "content-type: application/vnd.oci.image.manifest.v1+json";
        write!(stream, "{head}\r\n{kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

#[test]
fn only_what_a_known_key_signed_is_written() {
    let setting = Setting::new();
    let hex = setting.push(&[]);
    let (code, why) = setting.pull(&setting.place, &["ours"]);
    assert_eq!((code, why.as_str()), (Some(1), "refused: it has no signature\n"));
    assert_eq!(setting.push(&["theirs"]), hex, "a signature changes nothing of what is signed");
    let (code, why) = setting.pull(&setting.place, &["ours"]);
    assert_eq!((code, why.as_str()), (Some(1), "refused: none of its signatures is by one of these keys\n"));
    // Signatures of others stay, and the same one is not kept twice.
    for _ in 0..2 {
        setting.push(&["ours"]);
    }
    assert_eq!(setting.beside(&hex)["layers"].as_array().unwrap().len(), 2);
    for keys in [&["ours"][..], &["theirs"], &["theirs", "ours"]] {
        assert_eq!(setting.pull(&setting.place, keys).0, Some(0), "{keys:?}");
    }
    let pinned = format!("oci://{}/team/filter@sha256:{hex}", setting.registry.address);
    assert_eq!(setting.pull(&pinned, &["ours"]).0, Some(0));
}

#[test]
fn a_signature_is_of_one_digest() {
    let setting = Setting::new();
    let signed = setting.push(&["ours"]);
    // Another module under the same tag, with the signature of the first one put beside it.
    fs::write(&setting.module, [wasm(), vec![0]].concat()).unwrap();
    let other = setting.push(&[]);
    assert_ne!(other, signed);
    setting.put_beside(&other, &setting.beside(&signed));
    let (code, why) = setting.pull(&setting.place, &["ours"]);
    assert_eq!((code, why.contains("none of its signatures")), (Some(1), true), "{why}");
}

#[test]
fn what_is_no_signature_is_passed_over() {
    let setting = Setting::new();
    let hex = setting.push(&["ours"]);
    let good = setting.beside(&hex);
    let note = "dev.cosignproject.cosign/signature";
    for (pointer, value) in [
        ("/layers/0/annotations", json!({})),
        ("/layers/0/annotations", json!({note: "AAAA"})),
        ("/layers/0/annotations", json!({note: "?"})),
        ("/layers/0/mediaType", json!("application/other")),
        ("/layers", json!([])),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        setting.put_beside(&hex, &bad);
        assert_eq!(setting.pull(&setting.place, &["ours"]).0, Some(1), "{bad}");
    }
}

/// Where `$COSIGN` names the real one; `make interop` does.
#[test]
fn cosign_agrees() {
    let Some(cosign) = std::env::var_os("COSIGN").filter(|path| !path.is_empty()) else { return };
    let setting = Setting::new();
    let image = format!("{}/team/filter@sha256:{}", setting.registry.address, setting.push(&["ours"]));
    for (key, accepted) in [("ours.pub", true), ("theirs.pub", false)] {
        let mut command = Command::new(&cosign);
        command.args(["verify", "--insecure-ignore-tlog=true", "--allow-http-registry", "--key"]);
        let done = command.arg(setting.tool.name(key)).arg(&image).env("HOME", setting.tool.folder.path());
        let done = done.output().unwrap();
        assert_eq!(done.status.success(), accepted, "{key}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// The other way around: with a key pair of cosign's own, which is ECDSA over P-256.
#[test]
fn cosign_agrees_to_be_verified() {
    let Some(cosign) = std::env::var_os("COSIGN").filter(|path| !path.is_empty()) else { return };
    let setting = Setting::new();
    let image = format!("{}/team/filter@sha256:{}", setting.registry.address, setting.push(&["theirs"]));
    let run = |args: &[&str]| {
        let mut command = Command::new(&cosign);
        let home = setting.tool.folder.path();
        let done = command
            .args(args)
            .env("HOME", home)
            .env("COSIGN_PASSWORD", "")
            .current_dir(home)
            .output()
            .unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["generate-key-pair"]);
    assert_eq!(setting.pull(&setting.place, &["cosign"]).0, Some(1), "not signed by it yet");
    run(&["sign", "--yes", "--tlog-upload=false", "--allow-http-registry", "--key", "cosign.key", &image]);
    assert_eq!(setting.pull(&setting.place, &["cosign"]), (Some(0), String::new()));
    assert_eq!(setting.pull(&setting.place, &["theirs"]).0, Some(0), "cosign keeps ours");
    assert_eq!(setting.pull(&setting.place, &["ours"]).0, Some(1));
}
