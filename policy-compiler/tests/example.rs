//! The examples: their policies are without blemish, their cases pass and leave no rule out.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::path::{Path, PathBuf};

use policy_compiler::decide::run_all;
use policy_compiler::native::Native;
use policy_compiler::report::Colour;
use policy_compiler::testing::{Outcome, Suite};
use policy_compiler::{cases, compile, load_bundle, project};

fn example(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/tool-api").join(part)
}

fn decide(cases: &[cases::Case]) -> (bool, String, String) {
    let (bundle, _) = load_bundle(&example("policy"));
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let passed = run_all(&mut Native::new(&bundle.unwrap()).unwrap(), cases, &mut out, &mut notes).unwrap();
    (passed, String::from_utf8(out).unwrap(), String::from_utf8(notes).unwrap())
}

#[test]
fn every_example_is_without_blemish_and_tested_whole() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folders = fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
    let mut tested = 0;
    for folder in folders.filter(|folder| folder.join("policy").is_dir()) {
        let (_, report) = compile(&[folder.join("policy")]);
        assert_eq!(report.text(Colour::Never), "");
        let projects = project::find(std::slice::from_ref(&folder)).unwrap();
        let suite = Suite::run(&projects[0]).unwrap();
        let failed: Vec<_> = suite.tests.iter().filter(|test| test.outcome() != Outcome::Passed).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        assert!(suite.coverage.reaches(100), "{}: {:#?}", folder.display(), suite.coverage);
        assert!(suite.coverage.agents.iter().all(|agent| agent.cases > 0), "{:#?}", suite.coverage.agents);
        tested += 1;
    }
    assert!(tested > 0);
}

#[test]
fn its_cases_pass() {
    let (cases, report) = cases::load(&[example("cases")]);
    assert_eq!(report.text(Colour::Never), "");
    let (passed, out, notes) = decide(&cases);
    assert!(passed, "{notes}");
    assert_eq!(notes, format!("{} passed, 0 failed\n", cases.len()));
    assert_eq!(out.lines().count(), cases.len());
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
