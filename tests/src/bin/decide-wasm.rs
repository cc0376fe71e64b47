//! `policy-compiler decide`, with the module in wasmtime as the gate: same arguments, same output.

use std::process::ExitCode;

use policy_compiler::decide;
use sallyport_tests::wasm_runner::WasmRunner;

fn main() -> ExitCode {
    decide::main_with(std::env::args_os(), WasmRunner::start)
}
