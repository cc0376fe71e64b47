//! `audit`: looks into the store of records, and holds it against its signatures.

mod export;
mod query;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use super::Format;
use crate::audit::{Store, StoreError};
use crate::exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say whether records were removed, altered or put in since they were received, and where
    Verify(verify::Args),
    /// Print the signed head of every chain, to be kept where nobody who can change the store can change it
    Heads(verify::HeadsArgs),
    /// Show records that are as asked, the newest
    Query(query::Args),
    /// Show records as they come
    Tail(query::TailArgs),
    /// Write records into a file for other programs
    Export(export::Args),
}

/// Which store.
#[derive(Debug, clap::Args)]
struct Named {
    /// The store: a file (SQLite), or `postgres://user@host/database`
    #[arg(long, value_name = "STORE", env = "SALLYPORT_AUDIT_STORE", hide_env_values = true)]
    store: String,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let done = match &args.command {
        Command::Verify(args) => verify::run(args),
        Command::Heads(args) => verify::heads(args),
        Command::Query(args) => query::run(args),
        Command::Tail(args) => query::tail(args),
        Command::Export(args) => export::run(args),
    };
    done.unwrap_or_else(|why| args.command.format().fail(&why))
}

impl Command {
    /// How it says why it could not do its work.
    fn format(&self) -> Format {
        match self {
            Self::Verify(args) => args.format(),
            Self::Query(args) => args.format(),
            Self::Tail(args) => args.format(),
            // What these write is read by programs alone, and so says nothing of which form their failures have.
            Self::Heads(_) | Self::Export(_) => Format::Text,
        }
    }
}

impl Named {
    fn open(&self) -> Result<Store, String> {
        Store::named(&self.store, false).map_err(told)
    }
}

fn told(why: StoreError) -> String {
    format!("the audit store can not be read: {why}")
}

/// Standard output, a line at a time. Whoever no longer reads has seen enough.
struct Lines<W>(W);

impl<W: Write> Lines<W> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes()).and_then(|()| self.0.write_all(b"\n"))
    }

    fn end(mut self) -> Result<ExitCode, String> {
        match self.0.flush() {
            Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
                Err(format!("the result can not be written: {why}"))
            }
            _ => Ok(exit::OK.into()),
        }
    }
}
