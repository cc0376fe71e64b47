//! `man`: a manual page a command, from the definition of the command line.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap_mangen::Man;

use super::{definition, fail, print};
use crate::exit;
use crate::files::write_atomically;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder that the pages go to; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let written = fs::create_dir_all(&args.out).and_then(|()| {
        pages()?.into_iter().try_fold(String::new(), |told, (name, page)| {
            let path = args.out.join(name);
            write_atomically(&path, &page)?;
            Ok(format!("{told}{}\n", path.display()))
        })
    });
    match written {
        Ok(told) => print(&told),
        Err(error) => fail(&format!("`{}` can not be written: {error}", args.out.display())),
    }
}

/// The program's page and one for each command and its commands, by their file names.
fn pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut program = definition().disable_help_subcommand(true);
    // Gives every command the name that it is called by.
    program.build();
    let commands = commands(&program);
    std::iter::once(program).chain(commands).map(|command| page(&command)).collect()
}

/// The commands of a command, and theirs.
fn commands(of: &clap::Command) -> Vec<clap::Command> {
    let own = of.get_subcommands().filter(|command| command.get_name() != "help");
    own.flat_map(|command| std::iter::once(command.clone()).chain(commands(command))).collect()
}

fn page(command: &clap::Command) -> io::Result<(String, Vec<u8>)> {
    let man = Man::new(command.clone().after_help(exit::HELP));
    let mut page = Vec::new();
    man.render(&mut page)?;
    Ok((man.get_filename(), page))
}
