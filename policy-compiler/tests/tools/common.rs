//! Runs the program, for the tests of its commands.

use std::path::Path;
use std::process::Command;

/// What a run of the program left.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs it in the repository, so that paths in its output are the same on every machine.
pub(crate) fn run(args: &[&str]) -> Ran {
    run_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), args)
}

/// Runs it in a folder.
pub(crate) fn run_in(folder: &Path, args: &[&str]) -> Ran {
    let program = env!("CARGO_BIN_EXE_policy-compiler");
    let output = Command::new(program).current_dir(folder).args(args).output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
