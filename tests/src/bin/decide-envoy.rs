//! `policy-compiler decide`, with the module in a real Envoy as the gate: same arguments, same output.

use std::process::ExitCode;

use policy_compiler::decide;
use sallyport_tests::envoy_runner::EnvoyRunner;

fn main() -> ExitCode {
    decide::main_with(std::env::args_os(), EnvoyRunner::start)
}
