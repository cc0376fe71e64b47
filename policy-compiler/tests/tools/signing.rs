//! `keygen`, `sign`, `verify`, and `compile --sign-with`: from a key to a bundle that is believed; and with the real `openssl`.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::{Ran, run_in};

const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/policy.yaml");

/// A folder with keys `a` and `b`, and a bundle of serial 7 signed by `a`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        ok(folder.path(), &["keygen", "-o", name]);
    }
    publish(folder.path(), "x.bundle", "7", "a");
    folder
}

fn publish(folder: &Path, output: &str, serial: &str, key: &str) {
    ok(folder, &["compile", "--policy", POLICY, "-o", output, "--serial", serial, "--sign-with", key]);
}

fn ok(folder: &Path, args: &[&str]) -> String {
    let Ran { code, stdout, stderr } = run_in(folder, args);
    assert_eq!(code, Some(0), "{args:?}: {stderr}");
    stdout
}

fn refused(folder: &Path, args: &[&str], code: i32, why: &str) {
    let ran = run_in(folder, args);
    assert_eq!(ran.code, Some(code), "{args:?}: {}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(why), "{args:?}: {}", ran.stderr);
}

#[test]
fn a_new_key_is_secret_and_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let said = ok(folder.path(), &["keygen", "-o", "a"]);
    let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a"), mode("a.pub") & 0o600), (0o600, 0o600));
    let secret = std::fs::read_to_string(folder.path().join("a")).unwrap();
    assert!(!said.contains(secret.lines().nth(1).unwrap()));
    refused(folder.path(), &["keygen", "-o", "a"], 2, "not overwritten");
    assert_eq!(std::fs::read_to_string(folder.path().join("a")).unwrap(), secret);
    std::fs::remove_file(folder.path().join("a.pub")).unwrap();
    refused(folder.path(), &["keygen", "-o", "a"], 2, "not overwritten");
}

#[test]
fn a_signed_bundle_is_taken_by_those_who_know_the_key() {
    let folder = folder();
    let folder = folder.path();
    let said = ok(folder, &["verify", "x.bundle", "--key", "a.pub"]);
    assert!(
        said.starts_with("ok: serial 7, signed by key ") && said.contains("may be put into force"),
        "{said}"
    );
    refused(folder, &["verify", "x.bundle", "--key", "b.pub"], 1, "none of the configured keys");
    let retired = ["verify", "x.bundle", "--key", "b.pub", "--retired-key", "a.pub"];
    refused(folder, &retired, 1, "retired key");
    refused(folder, &["verify", "x.bundle", "--key", "a.pub", "--key", "a.pub"], 2, "each once");
    refused(folder, &["verify", "x.bundle", "--key", "a"], 2, "PUBLIC KEY");
    refused(folder, &["verify", "a.pub", "--key", "a.pub"], 2, "is no bundle");

    // While keys are changed, both sign.
    ok(folder, &["sign", "x.bundle", "--key", "b", "-o", "both.bundle"]);
    ok(folder, &["verify", "both.bundle", "--key", "b.pub"]);
    ok(folder, &["verify", "both.bundle", "--key", "b.pub", "--retired-key", "a.pub"]);
    ok(folder, &["verify", "both.bundle", "--key", "a.pub"]);
    ok(folder, &["sign", "both.bundle", "--key", "a"]);
    let shown = ok(folder, &["inspect", "both.bundle", "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["signedBy"].as_array().unwrap().len(), 2, "signing again replaces");
    assert_eq!(shown["serial"], 7);

    let mut bytes = std::fs::read(folder.join("x.bundle")).unwrap();
    bytes[24] ^= 1;
    std::fs::write(folder.join("torn.bundle"), bytes).unwrap();
    refused(folder, &["verify", "torn.bundle", "--key", "a.pub"], 1, "is not of this bundle");
    ok(folder, &["compile", "--policy", POLICY, "-o", "plain.bundle"]);
    refused(folder, &["verify", "plain.bundle", "--key", "a.pub"], 1, "nobody signed");
}

#[test]
fn an_older_a_foreign_and_an_expired_bundle_are_refused() {
    let folder = folder();
    let folder = folder.path();
    publish(folder, "newer.bundle", "8", "a");
    let verify = |bundle, more: &[&'static str]| [&["verify", bundle, "--key", "a.pub"], more].concat();
    ok(folder, &verify("newer.bundle", &["--in-force", "x.bundle"]));
    let same = ok(folder, &verify("x.bundle", &["--in-force", "x.bundle"]));
    assert!(same.contains("is in force"), "{same}");
    refused(folder, &verify("x.bundle", &["--in-force", "newer.bundle"]), 1, "older");

    let terms =
        ["--serial", "9", "--not-before", "2026-01-01T00:00:00Z", "--not-after", "2026-02-01T00:00:00Z"];
    let compile =
        ["compile", "--policy", POLICY, "-o", "y.bundle", "--sign-with", "a", "--audience", "tools/tool-api"];
    ok(folder, &[&compile[..], &terms].concat());
    let at = |time| {
        verify("y.bundle", &["--audience", "tools/tool-api", "--at"])
            .into_iter()
            .chain([time])
            .collect::<Vec<_>>()
    };
    ok(folder, &at("2026-01-31T23:59:59Z"));
    refused(folder, &at("2026-02-01T00:00:00Z"), 1, "has expired");
    refused(folder, &at("2025-12-31T23:59:59Z"), 1, "not be put into force yet");
    refused(folder, &verify("y.bundle", &["--audience", "other"]), 1, "another audience");
    let shown = ok(folder, &["inspect", "y.bundle"]);
    assert!(
        shown.contains(
            "for tools/tool-api, to be put into force from 2026-01-01T00:00:00Z until 2026-02-01T00:00:00Z"
        ),
        "{shown}"
    );
    let empty =
        ["--serial", "9", "--not-before", "2026-01-01T00:00:00Z", "--not-after", "2026-01-01T00:00:00Z"];
    refused(folder, &[&compile[..], &empty].concat(), 2, "not later");
    let no_serial = ["compile", "--policy", POLICY, "-o", "z", "--sign-with", "a"];
    refused(folder, &no_serial, 2, "--serial");

    // Compiled anew, a bundle keeps its terms.
    ok(folder, &["compile", "--policy", "y.bundle", "-o", "again.bundle"]);
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (signed, plain) = (read("y.bundle"), read("again.bundle"));
    assert_eq!(signed[..plain.len()], plain[..]);
}

#[test]
fn the_plugin_configuration_names_who_signed_and_for_whom() {
    let folder = folder();
    let args = [
        "compile",
        "--policy",
        POLICY,
        "--plugin-config",
        "--serial",
        "1",
        "--sign-with",
        "a",
        "--audience",
        "tools",
    ];
    let config: serde_json::Value = serde_json::from_str(&ok(folder.path(), &args)).unwrap();
    let pem = std::fs::read_to_string(folder.path().join("a.pub")).unwrap();
    let raw = config["keys"][0].as_str().unwrap();
    assert_eq!(
        sallyport_engine::bundle::PublicKey::parse(raw),
        sallyport_engine::bundle::PublicKey::parse(&pem)
    );
    assert_eq!(config["audience"], "tools");
    let plain: serde_json::Value =
        serde_json::from_str(&ok(folder.path(), &["compile", "--policy", POLICY, "--plugin-config"]))
            .unwrap();
    assert_eq!(plain.as_object().unwrap().len(), 1);
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let folder = folder();
    set_permissions(folder.path().join("a"), Permissions::from_mode(0o644)).unwrap();
    refused(folder.path(), &["sign", "x.bundle", "--key", "a"], 2, "chmod 600");
    refused(folder.path(), &["sign", "x.bundle", "--key", "missing"], 2, "missing");
    refused(folder.path(), &["sign", "x.bundle", "--key", "b.pub"], 2, "chmod 600");
}

/// What `openssl` answers; `None` where it is not installed.
fn openssl(folder: &Path, args: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("openssl").args(args).current_dir(folder).output().ok()?;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

#[test]
fn openssl_reads_our_keys_and_we_read_its() {
    let folder = folder();
    let folder = folder.path();
    let Some(public) = openssl(folder, &["pkey", "-in", "a", "-pubout"]) else {
        eprintln!("openssl is not installed: keys are not compared with it");
        return;
    };
    assert_eq!(public, std::fs::read(folder.join("a.pub")).unwrap());
    let text = openssl(folder, &["pkey", "-pubin", "-in", "a.pub", "-noout", "-text"]).unwrap();
    assert!(text.starts_with(b"ED25519 Public-Key"));

    openssl(folder, &["genpkey", "-algorithm", "ed25519", "-out", "theirs"]);
    openssl(folder, &["pkey", "-in", "theirs", "-pubout", "-out", "theirs.pub"]);
    set_permissions(folder.join("theirs"), Permissions::from_mode(0o600)).unwrap();
    ok(folder, &["sign", "x.bundle", "--key", "theirs"]);
    ok(folder, &["verify", "x.bundle", "--key", "theirs.pub"]);

    // Its signature of the header is one that we take, and it takes ours: nothing about them is our own.
    let bytes = std::fs::read(folder.join("x.bundle")).unwrap();
    let bundle = sallyport_engine::bundle::Bundle::read(&bytes).unwrap();
    std::fs::write(folder.join("header"), bundle.signed()).unwrap();
    let theirs =
        openssl(folder, &["pkeyutl", "-sign", "-rawin", "-inkey", "theirs", "-in", "header"]).unwrap();
    assert!(bundle.signatures().any(|(_, signature)| signature[..] == theirs[..]));

    for other in [
        &["genpkey", "-algorithm", "x25519", "-out", "x"][..],
        &["genpkey", "-algorithm", "ed448", "-out", "x"],
    ] {
        openssl(folder, other);
        set_permissions(folder.join("x"), Permissions::from_mode(0o600)).unwrap();
        refused(folder, &["sign", "x.bundle", "--key", "x"], 2, "no Ed25519 key");
    }
}
