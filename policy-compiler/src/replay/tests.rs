//! The engine on whole requests is the oracle: what a replay says of a record must be what becomes of the request that made it.

use std::path::{Path, PathBuf};

use sallyport_engine::Policy;

use super::*;
use crate::cases::{Case, load};
use crate::decide::{Runner as _, rehearse};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases")
}

/// The record of a case, as a proxy would send it; and whether the request went on, or was held.
fn recorded(native: &mut Native, case: &Case) -> Option<(Record, Verdict)> {
    rehearse(native, case).ok()?;
    let observed = native.run(case).ok()?;
    let mut value = serde_json::to_value(&observed.record).unwrap();
    let object = value.as_object_mut().unwrap();
    let at = case.at.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    object.insert("seq".to_owned(), 1.into());
    object.insert("time".to_owned(), u64::try_from(at.as_millis()).unwrap().into());
    object.insert("destination".to_owned(), case.request.authority.clone().into());
    let record = Record::parse(&value.to_string()).unwrap();
    let truth = match (&observed.forwarded, observed.record.verdict.as_str()) {
        (Some(_), _) => Verdict::Allow,
        (None, "hold") => Verdict::Hold,
        (None, _) => Verdict::Deny,
    };
    Some((record, truth))
}

/// Replays every case of a suite, recorded under one policy, under another; how many outcomes were known, and how many of
/// those were changes.
fn compare(policy: &Policy, other: &Policy, cases: &[Case]) -> (usize, usize) {
    let (mut before, mut after) = (Native::of(policy.clone()), Native::of(other.clone()));
    let (mut known, mut changed) = (0, 0);
    for case in cases {
        let Some((record, _)) = recorded(&mut before, case) else { continue };
        let Some((_, truth)) = recorded(&mut after, case) else { continue };
        let said = match judge(&mut after, &record).unwrap() {
            Outcome::Unknown(_) => continue,
            Outcome::Same if record.verdict == Verdict::Redact => Verdict::Allow,
            Outcome::Same => record.verdict,
            Outcome::Changed(verdict, _) => {
                changed += 1;
                verdict
            }
        };
        assert_eq!(said, truth, "{} ({}): {record:?}", case.name, case.place);
        known += 1;
    }
    (known, changed)
}

fn suite(name: &str) -> (Policy, Vec<Case>) {
    let folder = corpus().join(name);
    let (policy, _) = crate::load_policy(&folder.join("policy.yaml"));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(".cases.yaml")).collect();
    let (cases, report) = load(&files);
    assert!(!report.has_errors());
    (policy.unwrap(), cases)
}

#[test]
fn under_the_same_policy_nothing_changes() {
    for name in ["core", "rules", "evasion", "observe"] {
        let (policy, cases) = suite(name);
        let (known, changed) = compare(&policy, &policy, &cases);
        assert!(
            known > cases.len() / 10 && changed == 0,
            "{name}: {known} of {}, {changed} changed",
            cases.len()
        );
    }
}

#[test]
fn with_any_rule_left_out_the_replay_says_what_becomes_of_the_request() {
    let (mut all, mut changes) = (0, 0);
    for name in ["core", "rules"] {
        let (policy, cases) = suite(name);
        for mission in 0..policy.parts().missions.len() {
            for rule in 0..policy.parts().missions[mission].rules.len() {
                let mut parts = policy.parts().clone();
                parts.missions[mission].rules.remove(rule);
                let Ok(other) = Policy::new(parts) else { continue };
                let (known, changed) = compare(&policy, &other, &cases);
                all += known;
                changes += changed;
            }
        }
    }
    assert!(all > 1000 && changes > 30, "{changes} changes in {all} outcomes that are known");
}
