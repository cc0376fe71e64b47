//! What is pushed comes back, byte for byte, and other clients see what we say is there.

use std::fs;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::common::Project;
use super::registry::{Registry, Tool, wasm};

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Signed bundles by audience, with the serials given.
pub(crate) fn bundle(project: &Project, name: &str, serial: u64, more: &[&str]) -> String {
    let (policy, file, key) =
        (project.policy().display().to_string(), project.name(name), project.name("key"));
    let serial = serial.to_string();
    let args = ["compile", "--policy", &policy, "-o", &file, "--serial", &serial, "--sign-with", &key];
    super::common::run(&[&args[..], more].concat());
    file
}

#[test]
fn a_module_comes_back_as_it_went_and_keeps_its_digest() {
    let (registry, tool) = (Registry::open(), Tool::new());
    let file = tool.file("module.wasm", &wasm());
    for layout in ["image", "artifact"] {
        let place = registry.reference(&format!("team/filter:{layout}"));
        let push = ["push", &file, &place, "--plain-http", "--layout", layout];
        let first = tool.json(&push);
        assert_eq!(first, tool.json(&push), "{layout}: the same again");
        let other = registry.reference(&format!("other/filter:{layout}"));
        let elsewhere = tool.json(&["push", &file, &other, "--plain-http", "--layout", layout]);
        assert_eq!(elsewhere["sha256"], first["sha256"], "the place does not count");
        assert_eq!((&first["url"], &first["kind"]), (&place.as_str().into(), &"module".into()));

        let out = tool.name("out.wasm");
        for place in [&place, first["pinned"].as_str().unwrap()] {
            let pulled = tool.json(&["pull", place, "--plain-http", "-o", &out]);
            assert_eq!(fs::read(&out).unwrap(), wasm(), "{place}");
            assert_eq!(pulled["sha256"], first["sha256"]);
            assert_eq!(pulled["files"][0]["sha256"], sha256(&wasm()));
            fs::remove_file(&out).unwrap();
        }
        let text = tool.run(&push);
        assert_eq!(text.stdout, format!("url: {place}\nsha256: {}\n", first["sha256"].as_str().unwrap()));
        assert_eq!(text.stderr, "");
    }
}

/// The manifest as the registry keeps it, read by a client that is none of ours.
fn manifest(registry: &Registry, repository: &str, digest: &Value) -> Value {
    let digest = digest.as_str().unwrap();
    let answer = registry.get(&format!("/v2/{repository}/manifests/sha256:{digest}"));
    assert_eq!((answer.status, sha256(&answer.body).as_str()), (200, digest));
    assert_eq!(answer.header("content-type"), "application/vnd.oci.image.manifest.v1+json");
    answer.json()
}

#[test]
fn an_image_holds_the_module_where_istio_looks_for_it() {
    let (registry, tool) = (Registry::open(), Tool::new());
    let file = tool.file("module.wasm", &wasm());
    let place = registry.reference("filter:1");
    let note = "org.opencontainers.image.revision=4f1c2a9";
    let pushed = tool.json(&["push", &file, &place, "--plain-http", "--annotation", note]);
    let manifest = manifest(&registry, "filter", &pushed["sha256"]);
    assert_eq!(manifest["annotations"]["org.opencontainers.image.revision"], "4f1c2a9");
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let blob = registry.get(&format!("/v2/filter/blobs/{}", layers[0]["digest"].as_str().unwrap()));
    let mut archive = tar::Archive::new(GzDecoder::new(&blob.body[..]));
    let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
    assert_eq!(names.collect::<Vec<_>>(), [Path::new("plugin.wasm")]);

    let artifact = registry.reference("filter:2");
    let pushed = tool.json(&["push", &file, &artifact, "--plain-http", "--layout", "artifact"]);
    let manifest = self::manifest(&registry, "filter", &pushed["sha256"]);
    let types: Vec<_> =
        manifest["layers"].as_array().unwrap().iter().map(|layer| &layer["mediaType"]).collect();
    assert_eq!(
        types,
        ["application/vnd.module.wasm.config.v1+json", "application/vnd.module.wasm.content.layer.v1+wasm"]
    );
    let digest = manifest["layers"][1]["digest"].as_str().unwrap();
    assert_eq!(registry.get(&format!("/v2/filter/blobs/{digest}")).body, wasm());
}

#[test]
fn bundles_come_back_verified_or_not_at_all() {
    let (registry, tool, project) = (Registry::open(), Tool::new(), Project::new());
    let file = bundle(&project, "policy.bundle", 7, &[]);
    let place = registry.reference("policy:1");
    let pushed = tool.json(&["push", &file, &place, "--plain-http"]);
    assert_eq!(pushed, tool.json(&["push", &file, &place, "--plain-http"]));
    let manifest = manifest(&registry, "policy", &pushed["sha256"]);
    assert_eq!(manifest["artifactType"], "application/vnd.sallyport.bundle");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.sallyport.bundle");
    assert_eq!(manifest["layers"][0]["annotations"]["dev.sallyport.bundle.serial"], "7");

    let (out, key) = (tool.name("out.bundle"), project.name("key.pub"));
    tool.json(&["pull", &place, "--plain-http", "-o", &out, "--key", &key]);
    assert_eq!(fs::read(&out).unwrap(), fs::read(&file).unwrap());

    super::common::run(&["keygen", "-o", &project.name("stranger")]);
    let stranger = project.name("stranger.pub");
    fs::write(&out, "what was there before").unwrap();
    let pull = ["pull", &place, "--plain-http", "-o", &out, "--key"];
    for (more, why) in [
        (vec![stranger.as_str()], "none of the configured keys signed it"),
        (vec![stranger.as_str(), "--retired-key", &key], "only a retired key signed it"),
    ] {
        let refused = tool.run(&[&pull[..], &more].concat());
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.starts_with("refused: "), "{why}: {refused:?}");
        assert_eq!(fs::read(&out).unwrap(), b"what was there before", "{why}");
    }
    let expired = bundle(&project, "expired.bundle", 8, &["--not-after", "2020-01-01T00:00:00Z"]);
    let place = registry.reference("policy:expired");
    tool.json(&["push", &expired, &place, "--plain-http"]);
    let refused = tool.run(&["pull", &place, "--plain-http", "-o", &out, "--key", &key]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(fs::read_dir(tool.folder.path()).unwrap().count(), 2, "no temporary file stays");
}

#[test]
fn bundles_for_several_audiences_go_and_come_together() {
    let (registry, tool, project) = (Registry::open(), Tool::new(), Project::new());
    let all = bundle(&project, "a.bundle", 7, &[]);
    let tools = bundle(&project, "b.bundle", 9, &["--audience", "tools/docs"]);
    let place = registry.reference("policy:both");
    let one = tool.json(&["push", &all, &tools, &place, "--plain-http"]);
    let other = tool.json(&["push", &tools, &all, &place, "--plain-http"]);
    assert_eq!(one["sha256"], other["sha256"], "their order means nothing");
    let into_one = tool.run(&["pull", &place, "--plain-http", "-o", &tool.name("out.bundle")]);
    assert_eq!(into_one.code, Some(2));
    let folder = tool.name("out");
    fs::create_dir(&folder).unwrap();
    tool.json(&["pull", &place, "--plain-http", "-o", &folder]);
    for (name, file) in [("all.bundle", &all), ("for.tools.docs.bundle", &tools)] {
        assert_eq!(fs::read(Path::new(&folder).join(name)).unwrap(), fs::read(file).unwrap());
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let (tool, project) = (Tool::new(), Project::new());
    let (module, html) = (tool.file("module.wasm", &wasm()), tool.file("html", b"<html>"));
    let file = bundle(&project, "policy.bundle", 7, &[]);
    // Nobody listens there.
    let place = "oci://127.0.0.1:1/x:1";
    let digest = format!("oci://127.0.0.1:1/x@sha256:{}", "0".repeat(64));
    for args in [
        vec!["push", &html, place],
        vec!["push", &module, &file, place],
        vec!["push", &module, &module, place],
        vec!["push", &file, &file, place],
        vec!["push", &module, &digest],
        vec!["push", &tool.name("nowhere"), place],
        vec!["push", &module, "127.0.0.1:1/x:1"],
        vec!["push", &module, "oci://127.0.0.1:1/x"],
        vec!["pull", place, "-o", "x", "--key", &html],
    ] {
        let ended = tool.run(&[&args[..], &["--plain-http"]].concat());
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(!ended.stderr.contains("connection"), "{args:?}: {ended:?}");
    }
}

/// Another client, where there is one: what it copies is what we pushed, and what it pushed we can pull.
#[test]
fn skopeo_agrees() {
    let (registry, tool, project) = (Registry::open(), Tool::new(), Project::new());
    if Command::new("skopeo").arg("--version").output().is_err() {
        eprintln!("NOT CHECKED: skopeo is not installed");
        return;
    }
    let skopeo = |args: &[&str]| {
        let output = Command::new("skopeo").args(["--insecure-policy"]).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let module = tool.file("module.wasm", &wasm());
    let file = bundle(&project, "policy.bundle", 7, &[]);
    let out = tool.name("out");
    for (tag, file, layout) in
        [("image", &module, "image"), ("artifact", &module, "artifact"), ("bundle", &file, "image")]
    {
        let place = registry.reference(&format!("a:{tag}"));
        let pushed = tool.json(&["push", file, &place, "--plain-http", "--layout", layout]);
        let docker = |repository: &str| format!("docker://{}/{repository}:{tag}", registry.address);
        let raw = skopeo(&["inspect", "--tls-verify=false", "--raw", &docker("a")]);
        assert_eq!(sha256(&raw), pushed["sha256"].as_str().unwrap(), "{tag}");
        let copy = ["copy", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"];
        skopeo(&[&copy[..], &[&docker("a"), &docker("b")]].concat());
        let pulled =
            tool.json(&["pull", &registry.reference(&format!("b:{tag}")), "--plain-http", "-o", &out]);
        assert_eq!(pulled["sha256"], pushed["sha256"], "{tag}");
        assert_eq!(fs::read(&out).unwrap(), fs::read(file).unwrap(), "{tag}");
    }
    let shown = skopeo(&["inspect", "--tls-verify=false", &format!("docker://{}/a:image", registry.address)]);
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!((&shown["Os"], shown["Layers"].as_array().unwrap().len()), (&"linux".into(), 1));
}
