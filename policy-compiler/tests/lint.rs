//! Lints on the policies of this repository, and what is waived.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use policy_compiler::compile;
use policy_compiler::diagnostic::{Id, Severity};
use policy_compiler::report::Colour;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every policy that the repository shows or tries: each `policy` folder of an example, each `policy.yaml` of a suite.
fn policies() -> Vec<PathBuf> {
    let folders = ["examples", "tests/cases"].into_iter().flat_map(|folder| {
        fs::read_dir(repository().join(folder)).unwrap().map(|entry| entry.unwrap().path())
    });
    let named = |folder: PathBuf| [folder.join("policy"), folder.join("policy.yaml")];
    let more = ["tests/differential/policy.yaml", "fuzz/policy.yaml"].map(|path| repository().join(path));
    let mut policies: Vec<_> = folders.flat_map(named).chain(more).filter(|path| path.exists()).collect();
    policies.sort();
    policies
}

#[test]
fn our_own_policies_give_no_cause_for_complaint() {
    let policies = policies();
    assert!(policies.len() >= 5, "{policies:?}");
    for policy in policies {
        let (_, report) = compile(std::slice::from_ref(&policy));
        let said = report.text(Colour::Never);
        assert!(report.diagnostics.sorted().is_empty(), "{}:\n{said}", policy.display());
    }
}

#[test]
fn what_is_waived_is_counted_and_listed_with_its_reason() {
    let input = repository().join("policy-compiler/tests/diagnostics/broad-wildcard-budget.yaml");
    let (policy, report) = compile(&[input]);
    assert!(policy.is_some());
    assert_eq!((report.diagnostics.count(Severity::Warning), report.diagnostics.waived().len()), (2, 1));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    let [waived] = json["waived"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!((&waived["id"], &waived["reason"]), (&"broad-wildcard".into(), &"prompts are public".into()));
    assert_eq!((&waived["line"], &waived["column"]), (&36.into(), &19.into()));
}

#[test]
fn a_waiver_reaches_no_further_than_its_rule_or_document() {
    let input = repository().join("policy-compiler/tests/diagnostics/unused-waiver.yaml");
    let (_, report) = compile(&[input]);
    let waived: Vec<_> = report.diagnostics.waived().iter().map(|waived| waived.diagnostic.id).collect();
    assert_eq!(waived, [Id::UnknownMethod]);
    let text = fs::read_to_string(repository().join("policy-compiler/tests/diagnostics/unused-waiver.yaml"))
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    // The same waiver in another document silences nothing of this one.
    let line = "    - {lint: unknown-method, reason: the service defines what no protocol does}\n";
    let moved = text.replace(line, "").replace(
        "metadata: {name: tool-api}",
        "metadata: {name: tool-api, waivers: [{lint: unknown-method, reason: elsewhere}]}",
    );
    fs::write(&path, moved).unwrap();
    let (_, report) = compile(&[path]);
    assert!(report.diagnostics.waived().is_empty());
    assert!(report.diagnostics.sorted().iter().any(|diagnostic| diagnostic.id == Id::UnknownMethod));
}

#[test]
fn a_budget_is_spent_whole_or_not_at_all() {
    let input = repository().join("policy-compiler/tests/diagnostics/broad-wildcard-budget.yaml");
    let text = fs::read_to_string(input).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    for (budget, said) in [(0, 2), (1, 2), (2, 0), (3, 0)] {
        fs::write(&path, text.replace("broadRules: 1", &format!("broadRules: {budget}"))).unwrap();
        let (_, report) = compile(std::slice::from_ref(&path));
        assert_eq!(report.diagnostics.count(Severity::Warning), said, "{budget}");
    }
}

#[test]
fn patterns_have_a_budget_together() {
    let input = repository().join("policy-compiler/tests/diagnostics/pattern-budget.yaml");
    let text = fs::read_to_string(input).unwrap();
    let (before, after) = text.split_once("            - {at: /b").unwrap();
    let after = after.split_once("    - name: models").unwrap().1;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    for (count, said) in [(17, 0), (18, 1)] {
        let fields: String = (0..count)
            .map(|n| format!("            - {{at: /f{n}, type: text, pattern: '.{{75}}'}}\n"))
            .collect();
        fs::write(&path, format!("{before}{fields}    - name: models{after}")).unwrap();
        let (_, report) = compile(std::slice::from_ref(&path));
        let messages: Vec<_> =
            report.diagnostics.sorted().iter().map(|diagnostic| diagnostic.message.clone()).collect();
        assert_eq!(messages.len(), said, "{messages:?}");
        assert!(messages.iter().all(|message| message.contains("all 18 patterns")), "{messages:?}");
    }
}

#[test]
fn an_install_mode_is_asked_for_only_by_what_waits_for_a_body() {
    let input = repository().join("policy-compiler/tests/diagnostics/install-mode.yaml");
    let text = fs::read_to_string(input).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    let errors = |text: &str| {
        fs::write(&path, text).unwrap();
        let (policy, report) = compile(std::slice::from_ref(&path));
        assert_eq!(policy.is_none(), report.has_errors());
        report.diagnostics.sorted().iter().filter(|diagnostic| diagnostic.id == Id::InstallMode).count()
    };
    assert_eq!(errors(&text), 4);
    for mode in ["buffered", "held", "plain\n  mode: observe"] {
        assert_eq!(errors(&text.replace("installMode: plain", &format!("installMode: {mode}"))), 0, "{mode}");
    }
    assert_eq!(errors(&text.replace("apis: [chat]", "apis: [models]")), 3, "lists of models have no body");
    assert_eq!(errors(&text.replace("[GET, POST]", "[GET]")), 3, "reading has no body");
}

/// The text with a waiver in the `metadata` of the document at a place; `None` if it has one already.
fn with_waiver(text: &str, at: usize, lint: &str) -> Option<String> {
    let start = text[..at].rfind("\n---\n").map_or(0, |found| found + 5);
    if text[start..].split("\n---\n").next()?.contains("waivers:") {
        return None;
    }
    let metadata = start + text[start..].find("metadata:").unwrap();
    let end = metadata + text[metadata..].find('\n').unwrap();
    let waiver = format!("waivers: [{{lint: {lint}, reason: a test says so}}]");
    let (at, insert) = match text[metadata..end].ends_with('}') {
        true => (end - 1, format!(", {waiver}")),
        false => (end, format!("\n  {waiver}")),
    };
    Some(format!("{}{insert}{}", &text[..at], &text[at..]))
}

#[test]
fn every_lint_can_be_waived_where_it_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    let mut waived = BTreeSet::new();
    for entry in fs::read_dir(repository().join("policy-compiler/tests/diagnostics")).unwrap() {
        let input = entry.unwrap().path();
        let Some(text) = fs::read_to_string(&input).ok() else {
            continue;
        };
        if input.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        fs::write(&path, &text).unwrap();
        let (_, report) = compile(std::slice::from_ref(&path));
        let found = report.diagnostics.sorted();
        let warned: Vec<_> = found.iter().filter(|found| found.id.severity() == Severity::Warning).collect();
        if report.has_errors() {
            continue;
        }
        for warning in warned {
            let id = warning.id;
            let Some(answered) = with_waiver(&text, warning.span.start as usize, id.name()) else { continue };
            fs::write(&path, answered).unwrap();
            let (policy, after) = compile(std::slice::from_ref(&path));
            let said = after.text(Colour::Never);
            assert!(policy.is_some(), "{}: {}: {said}", input.display(), id.name());
            let same = |other: &str| other == warning.message;
            let answered = after
                .diagnostics
                .waived()
                .iter()
                .find(|w| w.diagnostic.id == id && same(&w.diagnostic.message));
            let reason = answered.map(|answered| answered.reason.as_str());
            assert_eq!(reason, Some("a test says so"), "{}: {}: {said}", input.display(), id.name());
            waived.insert(id);
        }
    }
    let of_warnings = Id::ALL.iter().copied().filter(|id| id.severity() == Severity::Warning);
    let left: Vec<_> = of_warnings.filter(|id| !waived.contains(id) && *id != Id::UnusedWaiver).collect();
    assert!(left.is_empty(), "no waiver of these was tried: {left:?}");
}
