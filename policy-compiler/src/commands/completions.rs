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
    clap_complete::generate(args.shell, &mut definition, name, &mut script);
    print(&String::from_utf8_lossy(&script))
}
