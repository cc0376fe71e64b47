//! `scan`: what the program finds in files, and what it says of it.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A key of an AWS account that is none, and a number of a payment card that nobody has.
const KEY: [&str; 2] = ["AK", "IAZ3QX7NBTM2VKLR5D"];
const CARD: &str = "4539 1488 0343 6467";

fn scan(directory: &Path, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_policy-compiler");
    Command::new(program).arg("scan").args(args).current_dir(directory).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn findings(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).unwrap();
}

#[test]
fn findings_are_told_by_place_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let key = KEY.concat();
    write(directory.path(), "notes.txt", &format!("\u{e9} first\nkey: {key}\n"));
    write(directory.path(), "call.json", &format!("{{\n  \"a\": [\"\\u00e9 {key}\"], \"b\": \"{CARD}\"}}"));
    write(directory.path(), "clean.txt", "nothing of interest");

    let text = scan(directory.path(), &["notes.txt", "clean.txt"]);
    assert_eq!(text.status.code(), Some(1));
    assert_eq!(stdout(&text), "notes.txt:2:6  high  block  aws-access-key-id  20 bytes\n");

    let json = scan(directory.path(), &["--format", "json", "call.json"]);
    assert_eq!(json.status.code(), Some(1));
    assert!(!stdout(&json).contains(&key) && !stdout(&json).contains(CARD));
    let [first, second] = &findings(&json)[..] else { panic!("{}", stdout(&json)) };
    assert_eq!(
        *first,
        serde_json::json!({
            "file": "call.json", "detector": "aws-access-key-id", "pack": "secrets-cloud", "severity": "high",
            "action": "block", "pointer": "/a/0", "offset": 3, "length": 20, "line": 2, "column": 17,
        })
    );
    assert_eq!((&second["pack"], &second["pointer"]), (&"pci".into(), &"/b".into()));

    let clean = scan(directory.path(), &["clean.txt"]);
    assert_eq!((clean.status.code(), stdout(&clean)), (Some(0), String::new()));
    assert_eq!(scan(directory.path(), &["none.txt"]).status.code(), Some(2));
}

#[test]
fn pieces_find_what_the_whole_does() {
    let directory = tempfile::tempdir().unwrap();
    let key = KEY.concat();
    write(directory.path(), "a.txt", &format!("\u{1f511} {key}, and {CARD}.\n"));
    let place = |found: &Value| {
        (found["detector"].clone(), found["offset"].clone(), found["length"].clone(), found["line"].clone())
    };
    let whole = scan(directory.path(), &["--format", "json", "a.txt"]);
    let expected: Vec<_> = findings(&whole).iter().map(place).collect();
    assert_eq!(expected.len(), 2, "{}", stdout(&whole));
    let replaced = stdout(&scan(directory.path(), &["--redact", "a.txt"]));
    assert!(
        replaced.starts_with("\u{1f511} [REDACTED:aws-access-key-id], and 4539 14** **** 6467."),
        "{replaced}"
    );
    for size in ["1", "3", "7", "4096"] {
        let pieces = scan(directory.path(), &["--chunk", size, "--format", "json", "a.txt"]);
        assert_eq!(findings(&pieces).iter().map(place).collect::<Vec<_>>(), expected, "{size}");
        let of_pieces = scan(directory.path(), &["--chunk", size, "--redact", "a.txt"]);
        assert_eq!((of_pieces.status.code(), stdout(&of_pieces)), (Some(1), replaced.clone()), "{size}");
    }
    fs::write(directory.path().join("b.bin"), b"\xff\xfe").unwrap();
    assert_eq!(scan(directory.path(), &["b.bin"]).status.code(), Some(0));
    assert_eq!(scan(directory.path(), &["--chunk", "1", "b.bin"]).status.code(), Some(2));
}

#[test]
fn profiles_decide_what_is_looked_for() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "a.txt", &format!("{} and jane.doe@mail.acme.dev", KEY.concat()));
    write(
        directory.path(),
        "policy.yaml",
        "apiVersion: sallyport.dev/v1\nkind: DlpProfile\nmetadata: {name: quiet}\nspec: {detectors: {aws-access-key-id: off}}\n",
    );
    let ids = |args: &[&str]| -> Vec<String> {
        let output = scan(directory.path(), &[args, &["--format", "json", "a.txt"]].concat());
        findings(&output).iter().map(|of| of["detector"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&[]), ["aws-access-key-id"]);
    assert_eq!(ids(&["--all"]), ["aws-access-key-id", "email-address"]);
    assert_eq!(ids(&["--policy", "policy.yaml"]), ["aws-access-key-id"]);
    assert_eq!(ids(&["--policy", "policy.yaml", "--profile", "quiet"]), [""; 0]);
    let unknown = scan(directory.path(), &["--policy", "policy.yaml", "--profile", "quite", "a.txt"]);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said.ends_with("there is no DlpProfile named `quite`: did you mean `quiet`?\n"), "{said}");
}

#[test]
fn a_policy_brings_its_own_detectors() {
    let directory = tempfile::tempdir().unwrap();
    write(
        directory.path(),
        "policy.yaml",
        r#"
apiVersion: sallyport.dev/v1
kind: Detector
metadata: {name: project-name}
spec:
  doc: The name of a project that nobody outside knows of.
  severity: low
  words: [blue heron, c++ (new)]
  samples: {match: ["the Blue Heron", "in C++ (new)"], miss: ["bluebird heron", "blue herons"]}
---
apiVersion: sallyport.dev/v1
kind: Detector
metadata: {name: employee-number}
spec:
  doc: An employee number.
  anchors: [EMP-]
  pattern: 'EMP-[0-9]{6}'
  request: alert
  redact: {as: mask, first: 0, last: 2}
  samples: {match: [EMP-123456], miss: [EMP-12345, EMP-1234567]}
---
apiVersion: sallyport.dev/v1
kind: DlpProfile
metadata: {name: strict}
spec: {packs: {custom: redact}}
"#,
    );
    write(directory.path(), "a.json", r#"{"note":"BLUE HERON, says EMP-204417"}"#);
    let with =
        |args: &[&str]| scan(directory.path(), &[&["--policy", "policy.yaml"], args, &["a.json"]].concat());
    let found: Vec<_> = findings(&with(&["--format", "json"]))
        .iter()
        .map(|of| {
            [&of["detector"], &of["pack"], &of["severity"], &of["action"]]
                .map(|word| word.as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(
        found,
        [["project-name", "custom", "low", "block"], ["employee-number", "custom", "medium", "alert"]]
    );
    let replaced = stdout(&with(&["--profile", "strict", "--redact"]));
    assert_eq!(replaced, r#"{"note":"[REDACTED:project-name], says ***-****17"}"#);
}

/// Its samples are checked when it is compiled.
#[test]
fn a_number_may_end_before_its_digits_do() {
    let directory = tempfile::tempdir().unwrap();
    let detector = r#"
apiVersion: sallyport.dev/v1
kind: Detector
metadata: {name: badge-number}
spec:
  doc: The number of a badge, wherever it stands.
  trigger: digits
  pattern: '[0-9]{5}'
  notBefore: ''
  notAfter: ''
  samples: {match: ["badge 12345", "badge 1234567", "0123456789012345678901234567890"], miss: ["badge 1234"]}
"#;
    write(directory.path(), "policy.yaml", detector);
    write(directory.path(), "text.txt", "badge 1234567 of 12");
    let output = scan(directory.path(), &["--policy", "policy.yaml", "--format", "json", "text.txt"]);
    let found = findings(&output);
    assert!(found.iter().any(|finding| finding["detector"] == "badge-number"), "{}", stdout(&output));
}

#[test]
fn standard_input_is_a_file_and_the_place_counts() {
    let piped = |args: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_policy-compiler"))
            .args([&["scan", "--format", "json"], args].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(KEY.concat().as_bytes()).unwrap();
        findings(&child.wait_with_output().unwrap())
    };
    for (args, action) in [(&["-"][..], "block"), (&["--place", "response"], "redact")] {
        let found = piped(args);
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0]["file"], &found[0]["action"]), (&"-".into(), &action.into()));
    }
}
