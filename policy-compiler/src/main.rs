//! The `policy-compiler` program; everything is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A large policy is read into millions of small pieces, by several threads at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    policy_compiler::commands::main(std::env::args_os())
}
