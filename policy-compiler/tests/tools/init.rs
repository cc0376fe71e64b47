//! `init`: a project that is green from the start, and never anything of the user's.

use std::fs;

use super::common::run_in;

#[test]
fn a_new_project_is_green_and_covered_whole() {
    let folder = tempfile::tempdir().unwrap();
    let made = run_in(folder.path(), &["init", "a/x"]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    assert!(made.stdout.starts_with("wrote\n  a/x/policy/agents.yaml\n"), "{}", made.stdout);
    assert!(made.stdout.contains("\n  policy-compiler test a/x "), "{}", made.stdout);

    let tested = run_in(folder.path(), &["test", "a/x", "--min-coverage", "100"]);
    assert_eq!((tested.code, tested.stderr.as_str()), (Some(0), ""), "{}", tested.stdout);
    assert!(tested.stdout.contains("coverage: 3 of 3 rules hit (100 %)\n"), "{}", tested.stdout);
    let checked = run_in(folder.path(), &["check", "--deny-warnings", "a/x/policy"]);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    let names: Vec<_> =
        fs::read_dir(folder.path().join("a/x")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing but policy and cases: {names:?}");
}

#[test]
fn it_goes_into_a_folder_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("README.md"), "mine").unwrap();
    assert_eq!(run_in(folder.path(), &["init", "."]).code, Some(0));
    assert_eq!(run_in(folder.path(), &["test", "."]).code, Some(0));
    assert_eq!(fs::read_to_string(folder.path().join("README.md")).unwrap(), "mine");
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("x/cases")).unwrap();
    let refused = run_in(folder.path(), &["init", "x"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    assert!(refused.stderr.starts_with("error: `x/cases` is there already"), "{}", refused.stderr);
    assert!(!folder.path().join("x/policy").exists());

    fs::create_dir_all(folder.path().join("x/policy")).unwrap();
    let refused = run_in(folder.path(), &["init", "x"]);
    assert!(
        refused.stderr.starts_with("error: `x/policy` and `x/cases` are there already"),
        "{}",
        refused.stderr
    );

    fs::write(folder.path().join("file"), "mine").unwrap();
    let refused = run_in(folder.path(), &["init", "file"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "mine");
}
