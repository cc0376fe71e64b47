//! `diff` against the engine: where it finds no difference the engine finds none, and what it says may now be done, may be done.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::cell::Cell;

use policy_compiler::cases::{self, Case};
use policy_compiler::compile_files;
use policy_compiler::decide::Runner as _;
use policy_compiler::diagnostic::Diagnostics;
use policy_compiler::diff::{Change, compare};
use policy_compiler::native::Native;
use policy_compiler::sources::Sources;
use proptest::prelude::*;
use sallyport_engine::{Policy, bundle};

const POLICY: &str = "\
{apiVersion: sallyport.dev/v1, kind: TrustDomain, metadata: {name: acme.internal}}
---
{apiVersion: sallyport.dev/v1, kind: Agent, metadata: {name: a}, spec: {identities: [spiffe://acme.internal/a], missions: [m]}}
---
apiVersion: sallyport.dev/v1
kind: Service
metadata: {name: s}
spec: {hosts: [s], routes: [{path: /mcp, protocol: mcp}, {path: /**, protocol: http}]}
---
apiVersion: sallyport.dev/v1
kind: Mission
metadata: {name: m}
spec:
";

const TOOLS: [&str; 4] = ["a", "ab", "b", "A"];
const TOOL_PATTERNS: [&str; 6] = ["a", "a*", "'*'", "ab", "b", "A"];
const ARGUMENTS: [&str; 3] = ["{}", "{\"n\":3}", "{\"n\":9}"];
const CONSTRAINTS: [&str; 3] = [
    "",
    ", arguments: {fields: [{at: /n, type: integer, max: 5}]}",
    ", arguments: {fields: [{at: /n, type: integer, presence: optional}]}",
];
const PATHS: [&str; 5] = ["/x", "/x/", "/x/1", "/x/1/2", "/y"];
const TEMPLATES: [&str; 5] = ["/x", "'/x/{id}'", "/x/*", "/x/**", "/**"];

/// A rule without its name.
fn rules() -> impl Strategy<Value = Vec<String>> {
    let patterns = prop::collection::btree_set(prop::sample::select(&TOOL_PATTERNS[..]), 1..3);
    let tools = (patterns, prop::sample::select(&CONSTRAINTS[..])).prop_map(|(tools, constraint)| {
        format!("mcp: {{tools: [{}]{constraint}}}", Vec::from_iter(tools).join(", "))
    });
    let http = prop::sample::select(&TEMPLATES[..])
        .prop_map(|path| format!("http: {{methods: [GET], paths: [{path}]}}"));
    prop::collection::vec(prop_oneof![3 => tools, 1 => http], 0..4)
}

/// A policy with these rules; of the second list every other one holds what the others deny.
fn policy(allow: &[String], refuse: &[String]) -> Policy {
    let list = |key: &str, rules: &[String]| {
        let rule = |(at, rule): (usize, &String)| format!("    - {{name: {key}{at}, service: s, {rule}}}\n");
        format!("  {key}:\n{}", rules.iter().enumerate().map(rule).collect::<String>())
    };
    // A mission has at least one rule; this one says nothing of what is asked.
    let (deny, hold): (Vec<_>, Vec<_>) = refuse.iter().cloned().enumerate().partition(|(at, _)| at % 2 == 0);
    let only = |rules: Vec<(usize, String)>, and: &str| {
        let rules = rules.into_iter().map(|(_, rule)| rule);
        rules.chain([format!("mcp: {{tools: [{and}]}}")]).collect::<Vec<_>>()
    };
    let (deny, hold) = (only(deny, "never"), only(hold, "waits"));
    let allow = [&["mcp: {tools: [always]}".to_owned()], allow].concat();
    let mut sources = Sources::default();
    let file = sources.add(
        "p.yaml",
        format!("{POLICY}{}{}{}", list("allow", &allow), list("hold", &hold), list("deny", &deny)),
    );
    let mut diagnostics = Diagnostics::default();
    compile_files(&sources, &[file], &mut diagnostics).unwrap_or_else(|| panic!("{:?}", diagnostics.sorted()))
}

/// Every request of this small world; the tool calls without arguments carry the tool's name.
fn requests() -> Vec<(Option<&'static str>, Case)> {
    let mut texts = Vec::new();
    for tool in TOOLS {
        for arguments in ARGUMENTS {
            let body = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{arguments}}}}}"
            );
            let name = (arguments == "{}").then_some(tool);
            texts.push((
                name,
                format!(
                    "method: POST, path: /mcp, headers: [[content-type, application/json]], body: '{body}'"
                ),
            ));
        }
    }
    texts.extend(PATHS.map(|path| (None, format!("method: GET, path: {path}"))));
    let one = |(name, text): (Option<&'static str>, String)| {
        let mut sources = Sources::default();
        let peer = "peer: spiffe://acme.internal/a, authority: s";
        let file = sources.add("c.yaml", format!("{{name: n, request: {{{peer}, {text}}}}}"));
        let mut cases = cases::parse(&sources, file, &mut Diagnostics::default());
        (name, cases.remove(0))
    };
    texts.into_iter().map(one).collect()
}

/// Whether each request passes.
fn verdicts(policy: &Policy, requests: &[(Option<&str>, Case)]) -> Vec<bool> {
    let mut engine = Native::new(&bundle::encode(policy).unwrap()).unwrap();
    requests.iter().map(|(_, case)| engine.run(case).unwrap().record.verdict == "allow").collect()
}

fn check(before: &Policy, after: &Policy, requests: &[(Option<&'static str>, Case)]) {
    let changes: Vec<Change> = compare(before, after);
    let (was, is) = (verdicts(before, requests), verdicts(after, requests));
    if changes.is_empty() {
        assert_eq!(was, is);
    }
    for (((name, _), was), is) in requests.iter().zip(was).zip(is) {
        let Some(name) = name else { continue };
        let says = |what: &str| {
            let sentence = format!("{what} call MCP tool `{name}`");
            changes.iter().any(|change| change.sentence == sentence)
        };
        assert!(!says("may now") || (!was && is), "{name}: {changes:#?}");
        assert!(!says("may no longer") || !is, "{name}: {changes:#?}");
    }
}

#[test]
fn no_change_in_meaning_is_none_for_the_engine() {
    let requests = requests();
    let (nothing, something) = (Cell::new(0), Cell::new(0));
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) }, |(a in rules(), b in rules(), c in rules(), d in rules())| {
        let (before, after) = (policy(&a, &b), policy(&c, &d));
        check(&before, &after, &requests);
        // Often enough nothing changes: what is allowed twice, and rules in another order.
        let reversed: Vec<_> = a.iter().chain(&a).rev().cloned().collect();
        let same = policy(&reversed, &b);
        assert_eq!(compare(&before, &same), []);
        check(&before, &same, &requests);
        // One more rule, and often it says nothing new.
        let more = policy(&[a.clone(), c.clone()].concat(), &b);
        check(&before, &more, &requests);
        let seen = if compare(&before, &more).is_empty() { &nothing } else { &something };
        seen.set(seen.get() + 1);
    });
    assert!(nothing.get() > 50 && something.get() > 50, "{nothing:?} {something:?}");
}
