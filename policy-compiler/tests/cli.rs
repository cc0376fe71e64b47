//! The program itself: what it prints where, and with which code it exits.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_policy-compiler")).args(args).output().unwrap()
}

fn in_repository(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    path.to_str().unwrap().to_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn policy() -> String {
    in_repository("examples/tool-api/policy")
}

#[test]
fn check_exits_with_what_it_found() {
    let fine = run(&["check", &policy()]);
    assert_eq!((fine.status.code(), stderr(&fine)), (Some(0), String::new()));
    assert!(stdout(&fine).starts_with("ok: 3 agents"), "{}", stdout(&fine));

    let bad = run(&["check", &in_repository("policy-compiler/tests/diagnostics/unknown-key.yaml")]);
    assert_eq!((bad.status.code(), stdout(&bad)), (Some(1), String::new()));
    assert!(
        stderr(&bad).contains("error[unknown-key]") && stderr(&bad).ends_with("5 error(s)\n"),
        "{}",
        stderr(&bad)
    );
    assert!(!stderr(&bad).contains('\u{1b}'), "colour off a terminal");

    let warned = in_repository("policy-compiler/tests/diagnostics/repeated.yaml");
    assert_eq!(run(&["check", &warned]).status.code(), Some(0));
    assert_eq!(run(&["check", "--deny-warnings", &warned]).status.code(), Some(1));
}

#[test]
fn check_prints_json_and_nothing_else_where_asked() {
    let bad = run(&[
        "check",
        "--format",
        "json",
        &in_repository("policy-compiler/tests/diagnostics/unknown-key.yaml"),
    ]);
    assert_eq!((bad.status.code(), stderr(&bad)), (Some(1), String::new()));
    let json: serde_json::Value = serde_json::from_str(&stdout(&bad)).unwrap();
    assert_eq!((&json["errors"], &json["warnings"]), (&5.into(), &0.into()));
}

#[test]
fn a_compiled_bundle_stands_for_its_policy() {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("policy.bundle");
    let bundle = bundle.to_str().unwrap();
    let compiled = run(&["compile", "--policy", &policy(), "-o", bundle, "--serial", "7"]);
    assert_eq!(
        (compiled.status.code(), stdout(&compiled), stderr(&compiled)),
        (Some(0), String::new(), String::new())
    );

    let shown = run(&["inspect", "--format", "json", bundle]);
    let shown: serde_json::Value = serde_json::from_str(&stdout(&shown)).unwrap();
    assert_eq!((&shown["serial"], &shown["agents"][0]["name"]), (&7.into(), &"deploy".into()));
    assert_eq!(shown["missions"][0]["rules"][1]["effect"], "deny");

    let cases = in_repository("examples/tool-api/cases");
    let of_bundle = run(&["decide", "--policy", bundle, &cases]);
    assert_eq!(of_bundle.status.code(), Some(0), "{}", stderr(&of_bundle));
    assert_eq!(stdout(&of_bundle), stdout(&run(&["decide", "--policy", &policy(), &cases])));
}

#[test]
fn the_plugin_configuration_holds_the_bundle() {
    use base64::Engine as _;
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("policy.bundle");
    let printed = run(&["compile", "--policy", &policy(), "--plugin-config", "-o", bundle.to_str().unwrap()]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&printed)).unwrap();
    let inline = base64::engine::general_purpose::STANDARD.decode(json["bundle"].as_str().unwrap()).unwrap();
    assert_eq!(inline, fs::read(bundle).unwrap());
}

#[test]
fn decide_tells_a_failed_case_from_a_bad_file() {
    let directory = tempfile::tempdir().unwrap();
    let case = directory.path().join("case.yaml");
    let write = |text: &str| fs::write(&case, text).unwrap();
    let run = || run(&["decide", "--policy", &policy(), case.to_str().unwrap()]);

    write("name: n\nrequest: {method: GET, authority: tool-api, path: /}\nexpect: {verdict: allow}\n");
    let failed = run();
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("  verdict: expected allow, got deny\n"), "{}", stderr(&failed));
    assert!(stdout(&failed).ends_with("\"pass\":false}\n"), "{}", stdout(&failed));

    write("name: n\nrequest: {method: GET, authority: tool-api, path: /}\n");
    let shown = run();
    assert_eq!((shown.status.code(), stdout(&shown).contains("pass")), (Some(0), false));

    write("name: n\nrequest: {method: GET, authority: tool-api, path: /}\nexpects: {verdict: deny}\n");
    let bad = run();
    assert_eq!((bad.status.code(), stdout(&bad)), (Some(2), String::new()));
    assert!(stderr(&bad).contains("did you mean `expect`?"), "{}", stderr(&bad));
}

#[test]
fn what_is_compiled_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let text = "{apiVersion: sallyport.dev/v1, kind: TrustDomain, metadata: {name: acme.internal}}\n";
    std::fs::write(path("p.yaml"), text).unwrap();
    for (policy, output) in [("p.yaml", "p.yaml"), ("p.yaml", "sub/../p.yaml"), ("", "p.yaml")] {
        let refused = run(&["compile", "--policy", &path(policy), "-o", &path(output)]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("is what is compiled"), "{}", stderr(&refused));
        assert_eq!(std::fs::read_to_string(path("p.yaml")).unwrap(), text);
    }
    let written = run(&["compile", "--policy", &path("p.yaml"), "-o", &path("p.bundle")]);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let over = run(&["compile", "--policy", &path("p.bundle"), "-o", &path("p.bundle"), "--serial", "2"]);
    assert_eq!(over.status.code(), Some(2), "{}", stderr(&over));
}

#[test]
fn what_cannot_be_done_exits_with_2() {
    let bad_policy = in_repository("policy-compiler/tests/diagnostics/unknown-key.yaml");
    for args in [
        &["compile", "--policy", &bad_policy, "-o", "/nowhere/x"][..],
        &["compile", "--policy", &policy(), "-o", "/nowhere/x"],
        &["compile", "--policy", &policy()],
        &["decide", "--policy", &bad_policy, &in_repository("examples/tool-api/cases")],
        &["decide", "--policy", "/nowhere", &in_repository("examples/tool-api/cases")],
        &["inspect", "/nowhere"],
        &["check", "/nowhere"],
        &["dev", "--policy", &policy(), "--module", "/nowhere.wasm"],
        &["chekc"],
        &[],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(!stderr(&output).is_empty() && output.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn check_says_how_much_is_waived() {
    let waived = in_repository("policy-compiler/tests/diagnostics/unused-waiver.yaml");
    let output = run(&["check", &waived]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).ends_with("2 warning(s), 1 waived\n"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("unknown-method"), "{}", stderr(&output));
}

#[test]
fn schemas_are_json_and_name_their_draft() {
    for args in [&["schema"][..], &["schema", "policy"], &["schema", "cases"]] {
        let output = run(args);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        let schema: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}
