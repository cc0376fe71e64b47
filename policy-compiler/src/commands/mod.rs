//! The command line: what it takes, and which command does it.

mod attach;
mod audit;
mod check;
mod compile;
mod completions;
mod dev;
mod diff;
mod explain;
mod format;
mod hash_values;
mod init;
mod inspect;
mod keygen;
mod man;
mod pin;
mod pull;
mod push;
mod reference;
mod render;
mod replay;
mod scan;
mod schema;
mod serve;
mod sign;
mod status;
mod table;
mod test;
mod verify;
mod verify_install;

pub use reference::{cli as cli_page, detectors as detectors_page, language as language_page};
pub use schema::page as schema_page;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::decide::{self, DecideArgs};
use crate::exit;
use crate::native::Native;
use crate::report::{Colour, Report};
use format::Format;

/// Turns Sallyport policy into bundles, and tests, explains and tries it out
#[derive(Debug, Parser)]
#[command(name = "policy-compiler", version, after_help = exit::HELP, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a starter policy with its tests
    Init(init::Args),
    /// Report everything that is wrong with policy
    Check(check::Args),
    /// Compile policy into a bundle for the filter
    Compile(compile::Args),
    /// Make a key to sign bundles with
    Keygen(keygen::Args),
    /// Sign a bundle
    Sign(sign::Args),
    /// Say whether a filter with these keys would put a bundle into force, and why not
    Verify(verify::Args),
    /// Show what is in a bundle, or what policy would compile to
    Inspect(inspect::Args),
    /// Run case files as the unit tests of a policy, and say what they cover
    Test(test::Args),
    /// Put cases to the engine and print what it did, one JSON object a line
    Decide(DecideArgs),
    /// Show the path of each request to its verdict, and what the nearest rule lacks to allow it
    Explain(explain::Args),
    /// Try detectors on texts and documents: what they find, and where
    Scan(scan::Args),
    /// Print the digests of an MCP server's tools, for the `tools` of its Service
    Pin(pin::Args),
    /// Print digests of the values on standard input, one a line, for policy to find or to allow
    HashValues(hash_values::Args),
    /// Say what differs between two policies in meaning: who may now do what, and who no longer may
    Diff(diff::Args),
    /// Publish policy to filters: compile, test and sign it whenever it changes, and serve it
    Serve(Box<serve::Args>),
    /// Show who enforces which policy since when, as a companion was told
    Status(status::Args),
    /// Look into the records of exchanges that a companion keeps, and hold them against its signatures
    Audit(Box<audit::Args>),
    /// Put recorded exchanges to another policy: which decisions would change, and which records do not tell enough for
    Replay(Box<replay::Args>),
    /// Put a module or bundles into a container registry
    Push(push::Args),
    /// Put a file beside what is in a container registry: a bill of materials, a statement of how it was built
    Attach(attach::Args),
    /// Take a module or bundles from a container registry
    Pull(pull::Args),
    /// Print the resources that install the gate, without Helm
    Render(render::Args),
    /// Try an installed gate: is it in the path, is mTLS mandatory, is its policy in force?
    VerifyInstall(Box<verify_install::Args>),
    /// Run a real Envoy with policy, minted identities and an upstream on this machine
    Dev(dev::Args),
    /// Print a reference page as Markdown: of the policy language, or of this command line
    Reference(reference::Args),
    /// Print what a shell needs to complete this command line
    Completions(completions::Args),
    /// Write a manual page a command
    Man(man::Args),
    /// Print a JSON Schema of policy or case files, for editors, or of records
    Schema(schema::Args),
}

/// Runs the command that `args` name; the first of them is the program.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match CommandLine::try_parse_from(args) {
        Ok(line) => line,
        Err(error) => return exit::usage(&error),
    };
    match line.command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Compile(args) => compile::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Decide(args) => decide::decide(&args, Native::new),
        Command::Explain(args) => explain::run(&args),
        Command::Scan(args) => scan::run(&args),
        Command::HashValues(args) => hash_values::run(&args),
        Command::Pin(args) => pin::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Serve(args) => serve::run(*args),
        Command::Status(args) => status::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Push(args) => push::run(args),
        Command::Attach(args) => attach::run(&args),
        Command::Pull(args) => pull::run(&args),
        Command::Render(args) => render::run(&args),
        Command::VerifyInstall(args) => verify_install::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Reference(args) => reference::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Schema(args) => schema::run(&args),
    }
}

/// The definition of the command line, for whoever generates documentation from it.
pub fn definition() -> clap::Command {
    <CommandLine as clap::CommandFactory>::command()
}

/// Reads a time on the command line, in seconds since 1970.
pub(crate) fn moment(text: &str) -> Result<u64, String> {
    let read = OffsetDateTime::parse(text, &Rfc3339).ok();
    let read = read.and_then(|time| u64::try_from(time.unix_timestamp()).ok());
    read.ok_or_else(|| "write a time as `2026-11-21T10:00:00Z`".to_owned())
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
