//! The `policy-compiler` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    policy_compiler::commands::main(std::env::args_os())
}
