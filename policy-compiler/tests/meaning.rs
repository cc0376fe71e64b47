//! `diff` against the engine: where it finds no difference the engine finds none; where the engine lets more pass, or less, it says so; and
//! what it says may now be done, may be done.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::cell::Cell;

use policy_compiler::cases::{self, Case};
use policy_compiler::compile_files;
use policy_compiler::decide::Runner as _;
use policy_compiler::diagnostic::Diagnostics;
use policy_compiler::diff::{Change, Direction, compare};
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

const TOOLS: [&str; 6] = ["a", "ab", "b", "A", "aB", "cb"];
const TOOL_PATTERNS: [&str; 9] = ["a", "a*", "'*'", "ab", "b", "A", "'*b'", "A*", "AB"];
const ARGUMENTS: [&str; 3] = ["{}", "{\"n\":3}", "{\"n\":9}"];
const CONSTRAINTS: [&str; 3] = [
    "",
    ", arguments: {fields: [{at: /n, type: integer, max: 5}]}",
    ", arguments: {fields: [{at: /n, type: integer, presence: optional}]}",
];
const PATHS: [&str; 7] = ["/x", "/x/", "/x/1", "/X/1", "/x/1/2", "/z/1", "/y"];
const TEMPLATES: [&str; 8] = ["/x", "/X/", "'/x/{id}'", "/x/*", "/*/1", "/X/1", "/x/**", "/**"];
const METHODS: [&str; 6] =
    ["initialize", "tools/list", "prompts/list", "logging/setLevel", "log*", "Initialize"];

/// Rules without their names: what they cover, and whether they are about one method of HTTP rather than all, which only rules that
/// refuse can be.
type Rules = Vec<(String, bool)>;

fn rules() -> impl Strategy<Value = Rules> {
    let patterns = prop::collection::btree_set(prop::sample::select(&TOOL_PATTERNS[..]), 1..3);
    let tools = (patterns, prop::sample::select(&CONSTRAINTS[..])).prop_map(|(tools, constraint)| {
        (format!("mcp: {{tools: [{}]{constraint}}}", Vec::from_iter(tools).join(", ")), true)
    });
    let http = (prop::sample::select(&TEMPLATES[..]), any::<bool>())
        .prop_map(|(path, one)| (format!("http: {{methods: [GET], paths: [{path}]}}"), one));
    let methods =
        prop::sample::select(&METHODS[..]).prop_map(|method| (format!("mcp: {{methods: [{method}]}}"), true));
    prop::collection::vec(prop_oneof![3 => tools, 2 => http, 1 => methods], 0..4)
}

/// A policy with these rules; of the second list every other one holds what the others deny, and the third is denied on trial.
fn policy(allow: &Rules, refuse: &Rules, trial: &Rules) -> Policy {
    let list = |key: &str, rules: &[String]| {
        let rule = |(at, rule): (usize, &String)| format!("    - {{name: {key}{at}, service: s, {rule}}}\n");
        format!("  {key}:\n{}", rules.iter().enumerate().map(rule).collect::<String>())
    };
    let refusing = |(rule, one): &(String, bool)| match one {
        true => rule.clone(),
        false => rule.replace("methods: [GET], paths", "paths"),
    };
    let (deny, hold): (Vec<_>, Vec<_>) = refuse.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    // A mission has at least one rule; this one says nothing of what is asked.
    let only = |rules: Vec<(usize, &(String, bool))>, and: &str| {
        let rules = rules.into_iter().map(|(_, rule)| refusing(rule));
        rules.chain([format!("mcp: {{tools: [{and}]}}")]).collect::<Vec<_>>()
    };
    let (deny, hold) = (only(deny, "never"), only(hold, "waits"));
    let allow: Vec<_> = ["mcp: {tools: [always]}".to_owned()]
        .into_iter()
        .chain(allow.iter().map(|rule| rule.0.clone()))
        .collect();
    let trial: Vec<_> = trial.iter().map(refusing).collect();
    let mut text = POLICY.to_owned();
    if !trial.is_empty() {
        text = text.replace("missions: [m]", "missions: [m, t]").replace(
            "---\napiVersion: sallyport.dev/v1\nkind: Mission",
            &format!(
                "---\napiVersion: sallyport.dev/v1\nkind: Mission\nmetadata: {{name: t}}\nspec:\n  mode: observe\n{}---\n\
                 apiVersion: sallyport.dev/v1\nkind: Mission",
                list("deny", &trial)
            ),
        );
    }
    let mut sources = Sources::default();
    let text = format!("{text}{}{}{}", list("allow", &allow), list("hold", &hold), list("deny", &deny));
    let file = sources.add("p.yaml", text);
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
    texts.extend(["initialize", "tools/list", "prompts/list", "logging/setLevel"].map(|method| {
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\"}}");
        (
            None,
            format!("method: POST, path: /mcp, headers: [[content-type, application/json]], body: '{body}'"),
        )
    }));
    for method in ["GET", "POST"] {
        texts.extend(PATHS.map(|path| (None, format!("method: {method}, path: {path}"))));
    }
    let one = |(name, text): (Option<&'static str>, String)| {
        let mut sources = Sources::default();
        let peer = "peer: spiffe://acme.internal/a, authority: s";
        let file = sources.add("c.yaml", format!("{{name: n, request: {{{peer}, {text}}}}}"));
        let mut cases = cases::parse(&sources, file, &mut Diagnostics::default());
        (name, cases.remove(0))
    };
    texts.into_iter().map(one).collect()
}

/// What becomes of a request, from the least to the most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Fate {
    Refused,
    Held,
    Passes,
}

fn fates(policy: &Policy, requests: &[(Option<&str>, Case)]) -> Vec<Fate> {
    let mut engine = Native::new(&bundle::encode(policy).unwrap()).unwrap();
    let mut fate = |case| {
        let record = engine.run(case).unwrap().record;
        match record.verdict.as_str() {
            "allow" => Fate::Passes,
            "hold" => Fate::Held,
            _ => Fate::Refused,
        }
    };
    requests.iter().map(|(_, case)| fate(case)).collect()
}

/// A policy, and what becomes of each request under it.
type Judged = (Policy, Vec<Fate>);

fn check((before, was): &Judged, (after, is): &Judged, requests: &[(Option<&'static str>, Case)]) {
    let changes: Vec<Change> = compare(before, after);
    let tells = |direction| changes.iter().any(|change| change.change == direction);
    let (more, less) = (tells(Direction::More), tells(Direction::Less));
    // Under conditions that differ, more and less can be possible at once.
    let either =
        changes.iter().any(|change| change.change == Direction::Other && change.sentence.contains(" if "));
    for (((name, case), was), is) in requests.iter().zip(was.iter().copied()).zip(is.iter().copied()) {
        // What is only held where it is spelled otherwise is told as what is spelled so.
        let by_spelling = was.min(is) == Fate::Refused && was.max(is) == Fate::Held;
        if !by_spelling {
            assert!(was >= is || more || either, "gained and not told: {:?}: {changes:#?}", case.request);
            assert!(was <= is || less || either, "lost and not told: {:?}: {changes:#?}", case.request);
        }
        assert!(was == is || !changes.is_empty(), "{:?}", case.request);
        let Some(name) = name else { continue };
        let says = |what: &str| {
            let sentence = format!("{what} call MCP tool `{name}`");
            changes.iter().any(|change| change.sentence == sentence)
        };
        assert!(!says("may now") || (was < is && is == Fate::Passes), "{name}: {changes:#?}");
        assert!(!says("may no longer") || is < Fate::Passes, "{name}: {changes:#?}");
    }
}

#[test]
fn no_change_in_meaning_is_none_for_the_engine() {
    let requests = requests();
    let (nothing, something) = (Cell::new(0), Cell::new(0));
    let lists = || (rules(), rules(), prop_oneof![2 => Just(Vec::new()), 1 => rules()]);
    proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) }, |((a, b, c) in lists(), (d, e, f) in lists())| {
        let judged = |allow: &Rules, refuse: &Rules, trial: &Rules| {
            let policy = policy(allow, refuse, trial);
            let fates = fates(&policy, &requests);
            (policy, fates)
        };
        let before = judged(&a, &b, &c);
        check(&before, &judged(&d, &e, &f), &requests);
        // Often enough nothing changes: what is allowed twice, and rules in another order.
        let reversed: Vec<_> = a.iter().chain(&a).rev().cloned().collect();
        let same = judged(&reversed, &b, &c);
        assert_eq!(compare(&before.0, &same.0), []);
        check(&before, &same, &requests);
        // One more rule, and often it says nothing new; and one rule less.
        let more = judged(&[a.clone(), d.clone()].concat(), &b, &c);
        check(&before, &more, &requests);
        let less = judged(&a, &b.iter().skip(1).cloned().collect(), &c);
        check(&before, &less, &requests);
        check(&less, &before, &requests);
        let seen = if compare(&before.0, &more.0).is_empty() { &nothing } else { &something };
        seen.set(seen.get() + 1);
    });
    assert!(nothing.get() > 30 && something.get() > 30, "{nothing:?} {something:?}");
}
