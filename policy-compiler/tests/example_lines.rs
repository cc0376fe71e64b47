//! What `decide` prints, shown with the cases of the first example.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::path::{Path, PathBuf};

use policy_compiler::decide::run_all;
use policy_compiler::native::Native;
use policy_compiler::{cases, load_bundle};

fn example(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/tool-api").join(part)
}

fn decide(cases: &[cases::Case]) -> (bool, String, String) {
    let (bundle, _) = load_bundle(&example("policy"));
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let passed = run_all(&mut Native::new(&bundle.unwrap()).unwrap(), cases, &mut out, &mut notes).unwrap();
    (passed, String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap())
}

/// What one bad expectation changes: exit, line and notes; and no body or header value in any of them.
#[test]
fn a_case_that_does_not_pass_is_told_without_showing_what_may_be_secret() {
    let (mut cases, _) = cases::load(&[example("cases/research.yaml")]);
    cases.truncate(1);
    let expect = cases[0].expect.as_mut().unwrap();
    expect.reason = Some("scope.*".to_owned());
    expect.forwarded = Some(Some(b"how to break".to_vec()));
    expect.headers = vec![("x-workload-spiffe-id".to_owned(), Some(b"somebody else".to_vec()))];
    let (passed, out, notes) = decide(&cases);
    assert!(!passed);
    let line: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&line["pass"], &line["verdict"]), (&false.into(), &"allow".into()));
    assert!(notes.contains("cases/research.yaml:2)\n  reason: expected scope.*, got allowed\n"), "{notes}");
    assert!(notes.ends_with("0 passed, 1 failed\n"), "{notes}");
    assert!(!notes.contains("how to") && !notes.contains("somebody"), "{notes}");
}

#[test]
fn the_keys_of_a_line_are_in_their_order() {
    let (cases, _) = cases::load(&[example("cases/research.yaml")]);
    let (_, out, _) = decide(&cases[..1]);
    let keys = [
        "name",
        "verdict",
        "reason",
        "status",
        "agent",
        "mission",
        "rule",
        "operation",
        "findings",
        "forwarded",
        "headers",
        "returned",
        "pass",
    ];
    let places: Vec<_> =
        keys.iter().map(|key| out.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key}"))).collect();
    assert!(places.is_sorted(), "{out}");
    let line: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(line.as_object().unwrap().len(), keys.len());
}

#[test]
fn nothing_goes_on_where_the_gate_replies() {
    let (cases, _) = cases::load(&[example("cases/identity.yaml")]);
    let (_, out, _) = decide(&cases[..1]);
    let line: serde_json::Value = serde_json::from_str(&out).unwrap();
    for key in ["forwarded", "headers", "returned"] {
        assert!(line.get(key).is_none(), "{out}");
    }
}
