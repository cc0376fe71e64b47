//! What is attached is found by what it refers to, where the registry keeps no list of referrers.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::http::Client;
use super::registry::{Registry, Tool, wasm};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const SBOM: &str = "application/vnd.cyclonedx+json";
const STATEMENT: &str = "application/vnd.in-toto+json";

#[test]
fn what_is_attached_is_listed_once_beside_what_it_is_about() {
    let (registry, tool) = (Registry::open(), Tool::new());
    let place = registry.reference("team/filter:1");
    let module = tool.file("module.wasm", &wasm());
    let subject =
        tool.json(&["push", &module, &place, "--plain-http"])["sha256"].as_str().unwrap().to_owned();
    let attach = |content: &[u8], kind: &str| {
        let file = tool.file("file.json", content);
        let ended = tool.run(&["attach", &file, &place, "--plain-http", "--type", kind]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stdout.ends_with(&format!("subject: sha256:{subject}\n")), "{}", ended.stdout);
        ended.stdout
    };
    let first = attach(b"{\"a\":1}", SBOM);
    assert_eq!(attach(b"{\"a\":1}", SBOM), first, "the same again");
    attach(b"{\"b\":2}", STATEMENT);

    // By a client that is none of ours.
    let list = Client::new(registry.address)
        .get(&format!("/v2/team/filter/manifests/sha256-{subject}"), &[("accept", INDEX)]);
    assert_eq!((list.status, list.header("content-type")), (200, INDEX));
    let list = list.json();
    let kinds: Vec<_> =
        list["manifests"].as_array().unwrap().iter().map(|one| &one["artifactType"]).collect();
    assert_eq!(kinds, [SBOM, STATEMENT]);
    for (entry, content) in list["manifests"].as_array().unwrap().iter().zip(["{\"a\":1}", "{\"b\":2}"]) {
        let digest = entry["digest"].as_str().unwrap();
        let manifest = registry.get(&format!("/v2/team/filter/manifests/{digest}"));
        let hash: String = Sha256::digest(&manifest.body).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (format!("sha256:{hash}").as_str(), manifest.body.len()),
            (digest, usize::try_from(entry["size"].as_u64().unwrap()).unwrap())
        );
        let manifest: Value = manifest.json();
        assert_eq!(manifest["subject"]["digest"], format!("sha256:{subject}"));
        assert_eq!(manifest["artifactType"], entry["artifactType"]);
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        assert_eq!(registry.get(&format!("/v2/team/filter/blobs/{layer}")).text(), content);
    }
    // What it is about is as it was.
    let out = tool.name("out.wasm");
    assert_eq!(tool.json(&["pull", &place, "--plain-http", "-o", &out])["sha256"], subject.as_str());
}

#[test]
fn nothing_is_attached_to_nothing() {
    let (registry, tool) = (Registry::open(), Tool::new());
    let file = tool.file("file.json", b"{}");
    let ended =
        tool.run(&["attach", &file, &registry.reference("team/none:1"), "--plain-http", "--type", SBOM]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let ended =
        tool.run(&["attach", &file, &registry.reference("team/none:1"), "--plain-http", "--type", "x"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}
