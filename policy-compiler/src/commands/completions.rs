//! `completions`: what a shell needs to complete this command line, from its definition.

use std::process::ExitCode;

use clap_complete::Shell;

use super::{definition, print};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut definition = definition();
    let name = definition.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition, name.clone(), &mut script);
    let script = String::from_utf8_lossy(&script);
    print(&if args.shell == Shell::Bash { joined(&script, &name) } else { script.into_owned() })
}

/// What clap_complete 4.6 writes for Bash, with one name for each command: of a program with a hyphen in its name, it looks for commands by one and
/// completes them by another, and so completes nothing.
fn joined(script: &str, program: &str) -> String {
    script.replace(&program.replace('-', "__subcmd__"), &program.replace('-', "__"))
}
