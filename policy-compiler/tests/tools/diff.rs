//! `diff`: `tests/diff/<what>/{before,after}.yaml`, and beside them what is said of it. `SALLYPORT_UPDATE=1` writes that anew.

use std::fs;
use std::path::{Path, PathBuf};

use policy_compiler::diff::{Change, Direction, compare};

use super::common::{run, run_in};

fn folders() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff");
    let mut folders: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    folders
}

#[test]
fn differences_read_as_they_should() {
    for folder in folders() {
        let path = |name: &str| folder.join(name).display().to_string();
        let ran = run(&["diff", &path("before.yaml"), &path("after.yaml")]);
        let expected = folder.join("expected.txt");
        if std::env::var_os("SALLYPORT_UPDATE").is_some() {
            fs::write(&expected, &ran.stdout).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(ran.stdout, expected, "{}: SALLYPORT_UPDATE=1 writes it anew", folder.display());
        assert!(!ran.stderr.contains("error"), "{}", ran.stderr);
        let same = expected == "no change in meaning\n";
        assert_eq!(ran.code, Some(if same { 0 } else { 1 }), "{}", folder.display());
        assert_eq!(same, folder.ends_with("no-change"));
    }
}

/// The changes from one policy to the other.
fn changes(folder: &Path, before: &str, after: &str) -> Vec<Change> {
    let policy = |name: &str| policy_compiler::load_policy(&folder.join(name)).0.unwrap();
    compare(&policy(before), &policy(after))
}

#[test]
fn the_way_back_undoes_the_way_there() {
    for folder in folders() {
        let there = changes(&folder, "before.yaml", "after.yaml");
        let back = changes(&folder, "after.yaml", "before.yaml");
        assert_eq!(there.is_empty(), back.is_empty(), "{}", folder.display());
        for same in ["before.yaml", "after.yaml"] {
            assert_eq!(changes(&folder, same, same), [], "{}", folder.display());
        }
        let about = |changes: &[Change], direction| changes.iter().any(|change| change.change == direction);
        assert_eq!(about(&there, Direction::More), about(&back, Direction::Less), "{}", folder.display());
    }
}

#[test]
fn a_bundle_stands_for_its_policy_and_programs_get_json() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("a.bundle").display().to_string();
    assert_eq!(
        run(&["compile", "--policy", "examples/tool-api/policy", "-o", &bundle, "--serial", "7"]).code,
        Some(0)
    );
    let same = run(&["diff", "--format", "json", "examples/tool-api/policy", &bundle]);
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), "{\n  \"same\": true,\n  \"changes\": []\n}\n"));

    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/tools");
    let path = |name: &str| tools.join(name).display().to_string();
    let ran = run(&["diff", "--format", "json", &path("before.yaml"), &path("after.yaml")]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let changes = json["changes"].as_array().unwrap();
    let drop = changes.iter().find(|one| one["sentence"] == "may now call MCP tool `drop_table`").unwrap();
    assert_eq!((&drop["service"], &drop["change"]), (&"tool-api".into(), &"more".into()));
    assert_eq!((&drop["subject"]["kind"], &drop["subject"]["name"]), (&"agent".into(), &"research".into()));
    assert_eq!(drop["subject"]["identities"][0], "spiffe://acme.internal/ns/agents/sa/research");
}

/// What moves to another namespace changes nothing for the whole, and all for both.
#[test]
fn one_audience_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let policy = fs::read_to_string(folders()[0].join("before.yaml")).unwrap();
    let write = |name: &str, namespace: &str| {
        let with = format!("spec: {{audiences: [{namespace}], hosts");
        let text = policy.replace("spec: {hosts", &with);
        assert_ne!(text, policy);
        fs::write(folder.path().join(name), text).unwrap();
    };
    write("a.yaml", "one");
    write("b.yaml", "two");
    let diff = |args: &[&str]| run_in(folder.path(), &[&["diff", "a.yaml", "b.yaml"], args].concat());
    assert_eq!(diff(&[]).code, Some(0));
    let one = diff(&["--audience", "one"]);
    assert_eq!(one.code, Some(1));
    assert!(one.stdout.contains("is no service any more"), "{}", one.stdout);
    assert!(diff(&["--audience", "two"]).stdout.contains("is a service now"));
}

#[test]
fn what_is_no_policy_is_trouble() {
    let bad =
        run(&["diff", "examples/tool-api/policy", "policy-compiler/tests/diagnostics/unknown-key.yaml"]);
    assert_eq!((bad.code, bad.stdout.as_str()), (Some(2), ""));
    assert!(bad.stderr.contains("error[unknown-key]"), "{}", bad.stderr);
    assert_eq!(run(&["diff", "examples/tool-api/policy"]).code, Some(2));
}
