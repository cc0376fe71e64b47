//! The examples: every policy is without blemish, every case passes, every rule decides one, and every page tells of each rule.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use policy_compiler::decide::run_all;
use policy_compiler::native::Native;
use policy_compiler::report::Colour;
use policy_compiler::{Audience, cases, compile, compile_for};
use sallyport_engine::bundle;
use sallyport_engine::policy::{Mode, Policy, PolicyParts};
use serde_json::Value;

/// The folders that hold `policy/` and `cases/`, as they are named below `examples/`.
const EXAMPLES: [&str; 6] =
    ["customer-support", "llm-egress", "payment-agent", "roll-out", "roll-out/half-way", "tool-api"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Policy without a single error or warning.
fn policy_of(example: &str) -> Policy {
    let (policy, report) = compile(&[root().join(example).join("policy")]);
    assert_eq!(report.text(Colour::Never), "", "{example}");
    policy.unwrap()
}

fn cases_of(example: &str) -> Vec<cases::Case> {
    let (cases, report) = cases::load(&[root().join(example).join("cases")]);
    assert_eq!(report.text(Colour::Never), "", "{example}");
    assert!(!cases.is_empty(), "{example}");
    cases
}

/// One line for each case, and what was said about those that did not pass.
fn decide(policy: &Policy, cases: &[cases::Case]) -> (Vec<Value>, String) {
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let mut native = Native::new(&bundle::encode(policy).unwrap()).unwrap();
    run_all(&mut native, cases, &mut out, &mut notes).unwrap();
    let lines = out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    (lines.map(|line| serde_json::from_slice(line).unwrap()).collect(), String::from_utf8(notes).unwrap())
}

/// Mission and rule of every rule; a rule for capabilities is several rules of one name.
fn rules_of(policy: &Policy) -> BTreeSet<(String, String)> {
    let missions = policy.parts().missions.iter();
    let rules = missions.flat_map(|mission| {
        mission.rules.iter().map(|rule| (mission.name.to_string(), rule.name.to_string()))
    });
    rules.collect()
}

/// The page of an example: its own, or that of the example that it is a part of.
fn page_of(example: &str) -> String {
    let pages = Path::new(example).ancestors().map(|folder| root().join(folder).join("README.md"));
    fs::read_to_string(pages.into_iter().find(|page| page.exists()).unwrap()).unwrap()
}

/// A folder of examples/ that nobody added to the list would be tested by nothing.
#[test]
fn there_is_no_other_example() {
    let mut found = Vec::new();
    let mut open = vec![root()];
    while let Some(folder) = open.pop() {
        if folder.join("policy").is_dir() && folder.join("cases").is_dir() {
            let name = folder.strip_prefix(root()).unwrap().to_str().unwrap();
            found.push(name.replace(std::path::MAIN_SEPARATOR, "/"));
        }
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        open.extend(entries.filter(|path| path.is_dir()));
    }
    found.sort();
    assert_eq!(found, EXAMPLES);
}

#[test]
fn every_case_passes_and_expects_something() {
    for example in EXAMPLES {
        let cases = cases_of(example);
        let (lines, notes) = decide(&policy_of(example), &cases);
        assert_eq!(notes, format!("{} passed, 0 failed\n", cases.len()), "{example}");
        assert!(lines.iter().all(|line| line["pass"] == true), "{example}");
    }
}

#[test]
fn every_rule_decides_a_case() {
    for example in EXAMPLES {
        let policy = policy_of(example);
        let (lines, _) = decide(&policy, &cases_of(example));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let decided: BTreeSet<_> =
            lines.iter().filter_map(|line| Some((text(&line["mission"])?, text(&line["rule"])?))).collect();
        assert_eq!(decided, rules_of(&policy), "{example}");
    }
}

#[test]
fn every_page_names_every_rule() {
    for example in EXAMPLES {
        let page = page_of(example);
        for (mission, rule) in rules_of(&policy_of(example)) {
            assert!(page.contains(&format!("`{rule}`")), "{example}: `{rule}` of {mission}");
        }
    }
}

/// What a page says that `check` prints is what it prints.
#[test]
fn every_page_shows_how_to_check_it_and_what_comes_of_it() {
    for example in EXAMPLES {
        let policy = format!("examples/{example}/policy");
        let mut check = Command::new(env!("CARGO_BIN_EXE_policy-compiler"));
        let check = check.args(["check", "--deny-warnings", &policy]).current_dir(root().join(".."));
        let output = check.output().unwrap();
        assert!(output.status.success(), "{example}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let shown = format!("$ policy-compiler check {policy}\n{printed}");
        assert!(page_of(example).contains(&shown), "{example}: {shown}");
    }
}

/// What a page shows of policy or cases stands in them, word by word. Comments may be left out.
#[test]
fn excerpts_are_excerpts() {
    let mut shown = 0;
    for example in EXAMPLES.into_iter().filter(|example| !example.contains('/')) {
        let files = files_of(example);
        for excerpt in yaml_blocks(&page_of(example)) {
            assert!(files.iter().any(|file| holds(file, &excerpt)), "{example}:\n{}", excerpt.join("\n"));
            shown += 1;
        }
    }
    assert!(shown > EXAMPLES.len(), "{shown}");
}

/// The lines of every file of policy and cases of an example and its parts, without comments.
fn files_of(example: &str) -> Vec<Vec<String>> {
    let parts = EXAMPLES.into_iter().filter(|other| Path::new(other).starts_with(example));
    let folders = parts.flat_map(|part| ["policy", "cases"].map(|folder| root().join(part).join(folder)));
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    files.map(|file| lines(&fs::read_to_string(file.unwrap().path()).unwrap())).collect()
}

fn yaml_blocks(page: &str) -> Vec<Vec<String>> {
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(lines).collect()
}

fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| line.trim_end().to_owned()).collect()
}

/// Whether the excerpt's lines follow each other in the file, all of them indented by as much.
fn holds(file: &[String], excerpt: &[String]) -> bool {
    file.windows(excerpt.len()).any(|window| {
        let Some(indent) = window[0].strip_suffix(excerpt[0].as_str()) else { return false };
        indent.trim().is_empty()
            && window.iter().zip(excerpt).all(|(line, shown)| *line == format!("{indent}{shown}"))
    })
}

/// A bundle for one of the two workloads of the payment example holds the service that stands before it, and its rules alone.
#[test]
fn a_bundle_for_one_workload_holds_its_service_alone() {
    let policy = [root().join("payment-agent/policy")];
    for (audience, service, rules) in [("pci/payments", "payments", 6), ("pci/statements", "statements", 1)] {
        let (sliced, report) = compile_for(&policy, &Audience::parse(audience).unwrap());
        assert_eq!(report.text(Colour::Never), "", "{audience}");
        let sliced = sliced.unwrap();
        let services: Vec<_> = sliced.parts().services.iter().map(|service| &*service.name).collect();
        assert_eq!(services, [service]);
        assert_eq!(rules_of(&sliced).len(), rules, "{audience}");
    }
}

/// The roll-out is one policy: nothing but modes changes on the way, and on day one every agent has the gate's.
#[test]
fn the_stages_of_the_roll_out_differ_in_modes_alone() {
    let modes = |parts: &PolicyParts| {
        let observed = |mode: Mode| mode == Mode::Observe;
        let agents = parts.agents.iter().filter(|agent| observed(agent.mode)).count();
        let missions = parts.missions.iter().filter(|mission| observed(mission.mode)).count();
        (observed(parts.settings.mode), agents, missions)
    };
    let enforced = |mut parts: PolicyParts| {
        parts.settings.mode = Mode::Enforce;
        parts.agents.iter_mut().for_each(|agent| agent.mode = Mode::Enforce);
        parts.missions.iter_mut().for_each(|mission| mission.mode = Mode::Enforce);
        parts
    };
    let (first, later) = (policy_of("roll-out"), policy_of("roll-out/half-way"));
    assert_eq!(modes(first.parts()), (true, first.parts().agents.len(), 0));
    assert_eq!(modes(later.parts()), (false, 1, 1));
    assert_eq!(enforced(first.parts().clone()), enforced(later.parts().clone()));
}

/// What the page on rolling out promises of any policy: with the gate in observe mode nothing is refused, and the records say what
/// would have been, for the same reason.
#[test]
fn a_gate_that_observes_refuses_nothing_and_says_what_it_would_have() {
    for example in EXAMPLES {
        let policy = policy_of(example);
        let mut parts = policy.parts().clone();
        // What the compiler makes of it for agents that say nothing themselves.
        parts.settings.mode = Mode::Observe;
        parts.agents.iter_mut().for_each(|agent| agent.mode = Mode::Observe);
        let cases = cases_of(example);
        let (enforcing, _) = decide(&policy, &cases);
        let (observing, _) = decide(&Policy::new(parts).unwrap(), &cases);
        for (enforced, observed) in enforcing.iter().zip(&observing) {
            assert_eq!(observed["verdict"], "allow", "{example}: {observed}");
            assert_eq!(observed["reason"], enforced["reason"], "{example}: {observed}");
            if enforced["verdict"] != "allow" {
                assert_eq!(observed["enforced"], enforced["verdict"], "{example}: {observed}");
            }
        }
    }
}
