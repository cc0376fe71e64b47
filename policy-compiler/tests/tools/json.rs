//! `--format json`: whatever happens, programs get JSON on standard output, and people's words nowhere.

use serde_json::Value;

use super::common::{Ran, run, run_in};

const BAD: &str = "policy-compiler/tests/diagnostics/unknown-key.yaml";
const GOOD: &str = "examples/tool-api/policy";
const CASES: &str = "examples/tool-api/cases";

fn json(text: &str, what: &dyn std::fmt::Debug) -> Value {
    serde_json::from_str(text).map_err(|why| format!("{what:?}: {why}: {text}")).unwrap()
}

fn with_json<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().copied().chain(["--format", "json"]).collect()
}

/// The command has no result, and says why as `check --format json` does.
fn refused(args: &[&str]) -> Value {
    let args = with_json(args);
    let Ran { code, stdout, stderr } = run(&args);
    assert_eq!((code, stderr.as_str()), (Some(2), ""), "{args:?}");
    let told = json(&stdout, &args);
    assert!(told["errors"].as_u64().unwrap() > 0, "{args:?}: {stdout}");
    let first = &told["diagnostics"][0];
    assert_eq!(first["severity"], "error", "{args:?}: {stdout}");
    assert!(first["message"].is_string() && told["waived"].is_array(), "{args:?}: {stdout}");
    told
}

#[test]
fn policy_that_does_not_compile_is_told_as_check_tells_it() {
    let check = json(&run(&["check", "--format", "json", BAD]).stdout, &"check");
    for args in [
        &["diff", BAD, GOOD][..],
        &["diff", GOOD, BAD],
        &["inspect", BAD],
        &["explain", "--policy", BAD, CASES],
        &["test", "--policy", BAD, "--cases", CASES],
        &["scan", "--policy", BAD],
        &["replay", "--policy", BAD, "--records", "/nowhere"],
    ] {
        assert_eq!(refused(args), check, "{args:?}");
    }
    // Both sides of a difference are told at once.
    assert_eq!(refused(&["diff", BAD, BAD])["errors"], 10);
}

#[test]
fn what_is_missing_damaged_or_no_policy_is_told_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("policy.bundle").display().to_string();
    assert_eq!(run(&["compile", "--policy", GOOD, "-o", &bundle]).code, Some(0));
    let mut bytes = std::fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    std::fs::write(&bundle, bytes).unwrap();
    for (policy, id) in [(bundle.as_str(), "bad-bundle"), ("/nowhere", "unreadable")] {
        for args in [
            &["diff", policy, GOOD][..],
            &["inspect", policy],
            &["explain", "--policy", policy, CASES],
            &["test", "--policy", policy, "--cases", CASES],
            &["replay", "--policy", policy, "--records", "/nowhere"],
        ] {
            let told = refused(args);
            assert_eq!(
                (&told["diagnostics"][0]["id"], &told["diagnostics"][0]["file"]),
                (&id.into(), &policy.into())
            );
        }
    }
    for args in [
        &["explain", "--policy", GOOD, "/nowhere"][..],
        &["explain", "--policy", GOOD, GOOD],
        &["test", "--policy", GOOD, "--cases", "/nowhere"],
        &["verify-install", "--cases", "/nowhere", "http://127.0.0.1:1"],
    ] {
        assert!(refused(args)["diagnostics"][0]["line"].is_u64());
    }
}

#[test]
fn what_has_no_place_in_a_file_is_told_in_the_same_form() {
    for args in [
        &["test", "/nowhere"][..],
        &["test", "policy-compiler"],
        &["test", "examples/tool-api", "--junit", "/nowhere/junit.xml"],
        &["scan", "--policy", GOOD, "--profile", "none"],
        &["scan", "/nowhere"],
        &["replay", "--policy", GOOD, "--records", "/nowhere"],
        &["status", "http://127.0.0.1:1"],
        &["audit", "verify", "--store", "/nowhere", "--key", "/nowhere"],
        &["audit", "query", "--store", "/nowhere"],
        &["push", "/nowhere", "oci://127.0.0.1:1/x:1"],
        &["pull", "oci://127.0.0.1:1/x:1", "-o", "/nowhere", "--key", "/nowhere"],
        &["verify-install", "--cases", CASES, "https://127.0.0.1:1"],
    ] {
        let told = refused(args);
        let first = &told["diagnostics"][0];
        assert_eq!(
            (&told["errors"], &first["id"], &first["file"]),
            (&1.into(), &"failed".into(), &Value::Null)
        );
    }
}

#[test]
fn warnings_beside_a_result_do_not_spoil_it() {
    let folder = tempfile::tempdir().unwrap();
    let warned = "{apiVersion: sallyport.dev/v1, kind: Agent, metadata: {name: idle}, spec: {identities: [spiffe://a.b/idle]}}\n\
                  ---\n{apiVersion: sallyport.dev/v1, kind: TrustDomain, metadata: {name: a.b}}\n";
    std::fs::write(folder.path().join("p.yaml"), warned).unwrap();
    let ran = run_in(folder.path(), &["diff", "p.yaml", "p.yaml", "--format", "json"]);
    assert_eq!((ran.code, &json(&ran.stdout, &"diff")["same"]), (Some(0), &true.into()));
    let beside = json(&ran.stderr, &"diff");
    assert_eq!((&beside["errors"], &beside["diagnostics"][0]["id"]), (&0.into(), &"no-missions".into()));
    let ran = run_in(folder.path(), &["inspect", "p.yaml", "--format", "json"]);
    assert_eq!((ran.code, &json(&ran.stdout, &"inspect")["agents"][0]["name"]), (Some(0), &"idle".into()));
    assert_eq!(json(&ran.stderr, &"inspect")["warnings"], 1);
}
