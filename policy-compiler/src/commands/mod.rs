//! The command line: what it takes, and which command does it.

mod check;
mod compile;
mod dev;
mod inspect;
mod reference;
mod schema;
mod table;

pub use reference::{cli as cli_page, language as language_page};
pub use schema::page as schema_page;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::decide::{self, DecideArgs};
use crate::exit;
use crate::native::Native;
use crate::report::{Colour, Report};

/// Turns Sallyport policy into bundles, and tests, explains and tries it out
#[derive(Debug, Parser)]
#[command(name = "policy-compiler", version, after_help = exit::HELP, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report everything that is wrong with policy
    Check(check::Args),
    /// Compile policy into a bundle for the filter
    Compile(compile::Args),
    /// Show what is in a bundle, or what policy would compile to
    Inspect(inspect::Args),
    /// Put cases to the engine and print what it did, one JSON object a line
    Decide(DecideArgs),
    /// Run a real Envoy with policy, minted identities and an upstream on this machine
    Dev(dev::Args),
    /// Print a reference page as Markdown: of the policy language, or of this command line
    Reference(reference::Args),
    /// Print a JSON Schema of policy or case files, for editors
    Schema(schema::Args),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Runs the command that `args` name; the first of them is the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match CommandLine::try_parse_from(args) {
        Ok(line) => line,
        Err(error) => return exit::usage(&error),
    };
    match line.command {
        Command::Check(args) => check::run(&args),
        Command::Compile(args) => compile::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Decide(args) => decide::decide(&args, Native::new),
        Command::Dev(args) => dev::run(&args),
        Command::Reference(args) => reference::run(&args),
        Command::Schema(args) => schema::run(&args),
    }
}

/// The definition of the command line, for whoever generates documentation from it.
pub fn definition() -> clap::Command {
    <CommandLine as clap::CommandFactory>::command()
}

/// Shows diagnostics to people.
fn show(report: &Report) {
    eprint!("{}", report.text(Colour::for_stream(&io::stderr())));
}

/// Writes a result to standard output.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => exit::OK.into(),
        Err(error) => fail(&format!("the result can not be written: {error}")),
    }
}

/// Says why a command could not do its work.
fn fail(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    exit::BAD_INPUT.into()
}
