//! The demo: that it goes as policy says and every record arrives, and that it notices when one does not.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sallyport_playground::envoy::Program;
use sallyport_tests::companion::program;
use sallyport_tests::wasm_host::Module;

/// Runs it with this as the policy-compiler.
fn demo(policy_compiler: &Path) -> Output {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(python(&root));
    command.arg(root.join("examples/demo/run.py")).arg("--policy-compiler").arg(policy_compiler);
    command.arg("--module").arg(Module::default_path());
    if let Program::Binary(envoy) = Program::find(None).unwrap() {
        command.arg("--envoy").arg(envoy);
    }
    command.output().unwrap()
}

/// The Python with the demo's packages: the one that is named, or else what `scripts/python-env` makes.
fn python(root: &Path) -> PathBuf {
    if let Some(named) = std::env::var_os("SALLYPORT_PYTHON") {
        return named.into();
    }
    let made = Command::new(root.join("scripts/python-env")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().into()
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

#[test]
fn the_demo_goes_as_policy_says_and_leaves_its_records() {
    let output = demo(&program().unwrap());
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("16 of 16 as policy says"), "{told}");
    assert!(told.contains("as they were received"), "{told}");
    let refusals = |line: &&str| line.starts_with(char::is_numeric) && line.contains("  deny     ");
    let rows = told.lines().filter(refusals).count();
    assert_eq!(rows, 12, "a refusal that has no record: {told}");
}

#[test]
fn the_demo_notices_a_record_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let lossy = folder.path().join("policy-compiler");
    // Loses the record of the search that carried a credential.
    let real = program().unwrap().canonicalize().unwrap();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*'--format json'*) '{0}' \"$@\" | grep -v dlp.aws ;;\n*) exec '{0}' \"$@\" ;;\nesac\n",
        real.display()
    );
    fs::write(&lossy, script).unwrap();
    fs::set_permissions(&lossy, fs::Permissions::from_mode(0o755)).unwrap();
    let output = demo(&lossy);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("AWS key in argument: records: 2 answers, and 1 in the store"), "{told}");
    assert!(told.contains("15 of 16 as policy says"), "{told}");
}
