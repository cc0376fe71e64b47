//! What exit codes mean, the same for every command.

use std::process::ExitCode;

/// Everything is as it should be.
pub const OK: u8 = 0;
/// A check found errors, a bundle or what a registry has is refused, a case did not pass, the cases cover too little, two policies differ, detectors
/// found something, or an installation is not as it should be.
pub const FINDINGS: u8 = 1;
/// The command could not do its work: bad arguments, policy or case files, or something cannot be read or written.
pub const BAD_INPUT: u8 = 2;

/// The words for `--help`.
pub const HELP: &str = "Exit codes: 0 all is well; 1 a check found errors, a bundle or what a registry has is refused, a case did not \
                        pass, coverage is too low, two policies differ, detectors found something or an installation is not in order; 2 bad arguments, policy or case files, or something could not be read, written or started. \
                        With --format json, standard output holds JSON whatever the code is: with 2, diagnostics as `check` prints them";

/// Prints what clap has to say; asking for help is no mistake.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to tell it to if the terminal is gone.
    let _ = error.print();
    if error.use_stderr() { BAD_INPUT.into() } else { OK.into() }
}
