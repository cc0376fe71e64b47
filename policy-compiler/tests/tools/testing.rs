//! `test`: what it finds, what it prints, and with which code it exits.

use std::fs;
use std::path::Path;

use super::common::{run, run_in};

/// One agent that may search and must not drop; nothing else is in it.
const POLICY: &str = "\
apiVersion: sallyport.dev/v1
kind: TrustDomain
metadata: {name: acme.internal}
---
apiVersion: sallyport.dev/v1
kind: Service
metadata: {name: tools}
spec: {hosts: [tools], routes: [{path: /**, protocol: http}]}
---
apiVersion: sallyport.dev/v1
kind: Agent
metadata: {name: research}
spec: {identities: [spiffe://acme.internal/research], missions: [read]}
---
apiVersion: sallyport.dev/v1
kind: Mission
metadata: {name: read}
spec:
  allow: [{name: docs, service: tools, http: {methods: [GET], paths: [\"/docs/{id}\"]}}]
  deny: [{name: drafts, service: tools, http: {methods: [GET], paths: [/docs/draft]}}]
";

fn case(name: &str, path: &str, expect: &str) -> String {
    format!(
        "name: {name}\nrequest: {{peer: spiffe://acme.internal/research, method: GET, authority: tools, path: {path}}}\n{expect}\n"
    )
}

/// A project with these cases.
fn project(cases: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("x/policy")).unwrap();
    fs::create_dir_all(folder.path().join("x/cases")).unwrap();
    fs::write(folder.path().join("x/policy/all.yaml"), POLICY).unwrap();
    for (name, text) in cases {
        fs::write(folder.path().join("x/cases").join(name), text).unwrap();
    }
    folder
}

fn docs() -> (&'static str, String) {
    ("docs.yaml", case("reads", "/docs/1", "expect: {verdict: allow}"))
}

fn drafts() -> (&'static str, String) {
    (
        "drafts.yaml",
        case("\"no <drafts> & \\\"co\\\" \\u0007\"", "/docs/draft", "expect: {reason: policy.denied}"),
    )
}

#[test]
fn the_example_passes_and_is_covered() {
    let ran = run(&["test", "examples/tool-api", "--min-coverage", "100"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(ran.stdout.contains("coverage: 6 of 6 rules hit (100 %)\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("  deploy    3/3\n  research  2/2\n  support   1/1\n"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}'), "colour off a terminal");
    let page = include_str!("../../../examples/tool-api/README.md");
    let shown = format!("$ policy-compiler test examples/tool-api\n{}", ran.stdout);
    assert!(page.contains(&shown), "its page shows something else than\n{shown}");
}

#[test]
fn the_corpus_is_a_project_too() {
    let ran = run(&["test", "tests/cases/core", "tests/cases/evasion"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("tests/cases/core/policy.yaml\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n\ntests/cases/evasion/policy.yaml\n"), "{}", ran.stdout);
}

#[test]
fn a_failure_is_told_with_its_place_and_what_differs() {
    let (_, reads) = docs();
    let wrong = case("writes", "/docs/1", "expect: {verdict: deny, reason: scope.*}");
    let folder = project(&[("a.yaml", format!("{reads}---\n{wrong}"))]);
    let ran = run_in(folder.path(), &["test", "x"]);
    let expected = "\
FAILED    writes (x/cases/a.yaml:5)
            verdict: expected deny, got allow
            reason: expected scope.*, got allowed
1 passed, 1 failed
coverage: 1 of 2 rules hit (50 %)
  read  1/2  never hit: drafts (deny)
why: policy-compiler explain --policy x/policy x/cases/a.yaml
";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(1), expected, ""));
}

#[test]
fn every_case_is_named_where_asked() {
    let shown = case("shown", "/other", "");
    let folder = project(&[docs(), drafts(), ("shown.yaml", shown)]);
    let ran = run_in(folder.path(), &["test", "-v", "x/cases"]);
    let expected = "\
ok        reads (x/cases/docs.yaml:1)
ok        no <drafts> & \"co\" \u{fffd} (x/cases/drafts.yaml:1)
unchecked shown (x/cases/shown.yaml:1)
2 passed, 0 failed, 1 unchecked, for they expect nothing
coverage: 2 of 2 rules hit (100 %)
  read  2/2
";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), expected));
}

#[test]
fn what_expects_nothing_covers_nothing() {
    let folder = project(&[("a.yaml", case("shown", "/docs/1", ""))]);
    let ran = run_in(folder.path(), &["test", "x"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("coverage: 0 of 2 rules hit (0 %)\n"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("agents that no case calls as: research\n"), "{}", ran.stdout);
}

/// Listing the tools is carried along by any grant of one, and says nothing of whether the grant is right.
#[test]
fn what_is_only_carried_along_hits_no_rule_and_what_a_deny_overrules_does() {
    let folder = tempfile::tempdir().unwrap();
    let policy = fs::read_to_string("tests/explain/policy.yaml").unwrap();
    fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    let case = |body: &str| {
        let peer =
            "peer: spiffe://acme.internal/ns/agents/sa/research, method: POST, authority: tools, path: /mcp";
        let head = "headers: [[content-type, application/json]]";
        let case = format!("name: n\nrequest: {{{peer}, {head}, body: '{body}'}}\nexpect: {{status: 200}}\n");
        fs::write(folder.path().join("a.cases.yaml"), case).unwrap();
        run_in(folder.path(), &["test", "."]).stdout
    };
    let listed = case(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert!(listed.starts_with("1 passed") && listed.contains(": 0 of 12 rules hit"), "{listed}");
    let held = case(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_docs"}}"#);
    assert!(held.contains("got 403") && held.contains(": 2 of 12 rules hit"), "{held}");
}

/// Each operation of the capabilities that a rule names is a rule to the engine, and counts as one here.
#[test]
fn every_operation_of_a_capability_is_to_be_hit() {
    let folder = project(&[docs()]);
    let policy = POLICY
        .replace("service: tools, http: {methods: [GET], paths: [\"/docs/{id}\"]}", "capabilities: [read]")
        + "---\napiVersion: sallyport.dev/v1\nkind: Capability\nmetadata: {name: read}\nspec:\n  operations:\n\
           \x20   - {service: tools, http: {methods: [GET], paths: [\"/docs/{id}\"]}}\n\
           \x20   - {service: tools, http: {methods: [GET], paths: [/news]}}\n";
    fs::write(folder.path().join("x/policy/all.yaml"), policy).unwrap();
    let ran = run_in(folder.path(), &["test", "x"]);
    let expected = "read  1/3  never hit: docs (allow, http at tools: GET, /news), drafts (deny)";
    assert!(ran.stdout.contains(": 1 of 3 rules hit") && ran.stdout.contains(expected), "{}", ran.stdout);
}

#[test]
fn too_little_coverage_fails() {
    let folder = project(&[docs()]);
    let run = |least: &str| run_in(folder.path(), &["test", "--min-coverage", least, "x"]);
    assert_eq!((run("50").code, run("101").code), (Some(0), Some(2)));
    let below = run("51");
    assert_eq!(below.code, Some(1));
    assert!(below.stdout.contains("(50 %), below the 51 % that are asked for\n"), "{}", below.stdout);
}

#[test]
fn programs_get_json() {
    let folder = project(&[docs()]);
    let cases: &[&str] =
        &["test", "--policy", "x/policy", "--format", "json", "--cases", "x/cases/docs.yaml"];
    let ran = run_in(folder.path(), cases);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["passed"], &json["failed"], &json["unchecked"]), (&1.into(), &0.into(), &0.into()));
    let case = &json["suites"][0]["cases"][0];
    assert_eq!(
        (&case["outcome"], &case["line"], &case["verdict"]),
        (&"passed".into(), &1.into(), &"allow".into())
    );
    let coverage = &json["suites"][0]["coverage"];
    assert_eq!((&coverage["rules"], &coverage["hit"]), (&2.into(), &1.into()));
    assert_eq!(coverage["missions"][0]["rules"][1]["cases"], 0);
}

#[test]
fn junit_is_xml_whatever_names_hold() {
    let wrong = case("\"]]> <!-- \\u0000 & \\uFFFE\"", "/docs/1", "expect: {status: 404}");
    let folder = project(&[docs(), drafts(), ("wrong.yaml", wrong), ("z.yaml", case("shown", "/", ""))]);
    let ran = run_in(folder.path(), &["test", "x", "--junit", "out.xml"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let text = fs::read_to_string(folder.path().join("out.xml")).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(
        (root.tag_name().name(), root.attribute("tests"), root.attribute("failures")),
        ("testsuites", Some("4"), Some("1"))
    );
    let suites: Vec<_> = root.children().filter(roxmltree::Node::is_element).collect();
    let names: Vec<_> = suites.iter().map(|suite| suite.attribute("name").unwrap()).collect();
    assert_eq!(names, ["x/cases/docs.yaml", "x/cases/drafts.yaml", "x/cases/wrong.yaml", "x/cases/z.yaml"]);
    let named =
        |name: &str| document.descendants().find(|node| node.attribute("name") == Some(name)).unwrap();
    assert_eq!(
        named("no <drafts> & \"co\" \u{fffd}").attribute("classname"),
        Some("policy.x/cases/drafts.yaml")
    );
    let failure = named("]]> <!-- \u{fffd} & \u{fffd}").first_element_child().unwrap();
    assert_eq!(failure.attribute("message"), Some("status: expected 404, got 200"));
    assert_eq!(failure.text(), Some("x/cases/wrong.yaml:1\nstatus: expected 404, got 200"));
    assert!(named("shown").first_element_child().unwrap().has_tag_name("skipped"));
}

#[test]
fn what_cannot_be_run_exits_with_2() {
    let folder = project(&[("a.yaml", "name: n\n".to_owned())]);
    let says = |args: &[&str], text: &str| {
        let ran = run_in(folder.path(), args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ran.stderr.contains(text), "{args:?}: {}", ran.stderr);
    };
    says(&["test", "x"], "error[missing-key]");
    says(&["test", "x/policy"], "is policy: name the folder around it, `x`");
    says(&["test", "none"], "can not be read");
    says(&["test", "."], "is no project");
    says(&["test", "--policy", "x/policy"], "--cases");
    says(&["test"], "<PATH>");
    fs::write(folder.path().join("x/cases/a.yaml"), docs().1).unwrap();
    says(&["test", "x", "--junit", "none/out.xml"], "`none/out.xml` can not be written");
    assert!(!Path::new("none").exists());
}
