//! `explain`: `tests/explain/cases.yaml`, and what is said of each in `expected.txt`. `SALLYPORT_UPDATE=1` writes that anew.

use std::fs;
use std::path::Path;

use policy_compiler::cases;
use policy_compiler::decide::run_all;
use policy_compiler::explain::explain;
use policy_compiler::native::Native;
use policy_compiler::project;

use super::common::{run, run_in};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain")
}

#[test]
fn explanations_read_as_they_should() {
    let ran = run_in(&folder(), &["explain", "--policy", "policy.yaml", "cases.yaml"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let expected = folder().join("expected.txt");
    if std::env::var_os("SALLYPORT_UPDATE").is_some() {
        fs::write(&expected, &ran.stdout).unwrap();
    }
    assert_eq!(
        ran.stdout,
        fs::read_to_string(&expected).unwrap_or_default(),
        "SALLYPORT_UPDATE=1 writes it anew"
    );
    // Values of arguments are the caller's.
    assert!(!ran.stdout.contains("/etc/x") && !ran.stdout.contains("raw\""), "{}", ran.stdout);
}

/// That every rule is looked at changes nothing: the verdicts are those of `decide`, for every case that there is.
#[test]
fn what_is_explained_is_what_is_decided() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let paths =
        ["tests/cases/core", "tests/cases/evasion", "examples/tool-api"].map(|path| repository.join(path));
    let mut projects = project::find(&paths).unwrap();
    projects.push(project::Project {
        policy: folder().join("policy.yaml"),
        cases: vec![folder().join("cases.yaml")],
    });
    for project in projects {
        let (bundle, _) = policy_compiler::load_bundle(&project.policy);
        let (cases, _) = cases::load(&project.cases);
        let mut engine = Native::new(&bundle.unwrap()).unwrap();
        let mut lines = Vec::new();
        run_all(&mut engine, &cases, &mut lines, &mut Vec::new()).unwrap();
        let lines = serde_json::Deserializer::from_slice(&lines).into_iter::<serde_json::Value>();
        for (case, line) in cases.iter().zip(lines) {
            let (explained, line) = (explain(&mut engine, case).unwrap(), line.unwrap());
            assert_eq!(line["verdict"], explained.verdict, "{}", case.place);
            assert_eq!(line["reason"], explained.reason, "{}", case.place);
            let rule = explained.decided.map(|rule| rule.rule);
            assert_eq!(line["rule"].as_str(), rule.as_deref(), "{}", case.place);
        }
    }
}

#[test]
fn programs_get_json() {
    let ran = run_in(&folder(), &["explain", "--format", "json", "--policy", "policy.yaml", "cases.yaml"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let missing = &json[1];
    assert_eq!(
        (&missing["line"], &missing["agent"], &missing["reason"]),
        (&11.into(), &"research".into(), &"scope.arguments".into())
    );
    assert_eq!(
        (&missing["nearest"]["mission"], &missing["nearest"]["rule"]),
        (&"research".into(), &"read-file".into())
    );
    let rule = missing["rules"].as_array().unwrap().iter().find(|rule| rule["rule"] == "read-file").unwrap();
    assert_eq!((&rule["effect"], &rule["covers"]), (&"allow".into(), &false.into()));
    assert_eq!(rule["missing"], "`/path` is missing, and must be a path below `/srv`");
}

#[test]
fn bad_input_is_told() {
    let bad = run(&["explain", "--policy", "examples/tool-api/policy", "examples/tool-api/policy"]);
    assert_eq!((bad.code, bad.stdout.as_str()), (Some(2), ""));
    assert!(bad.stderr.contains("error[missing-key]"), "{}", bad.stderr);
}
