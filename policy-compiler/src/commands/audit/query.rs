//! `audit query` and `audit tail`.

use std::io::{self, BufWriter};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::super::{Format, table};
use super::{Lines, Named, told};
use crate::audit::{Filter, Found, Tail, print};
use crate::exit;

/// How often `tail` looks.
const LOOK: Duration = Duration::from_millis(300);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    filter: Filter,
    /// At most so many: the newest
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// How records are printed
    #[arg(long, value_enum, default_value_t)]
    format: Shape,
}

#[derive(Debug, clap::Args)]
pub(super) struct TailArgs {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    filter: Filter,
    /// So many of those that are there already, first
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    lines: u32,
    /// How records are printed
    #[arg(long, value_enum, default_value_t)]
    format: Shape,
}

/// How records are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
enum Shape {
    /// For people
    #[default]
    Table,
    /// A JSON object a line
    Json,
    /// Comma-separated values
    Csv,
}

impl Args {
    pub(super) fn format(&self) -> Format {
        self.format.of_failures()
    }
}

impl TailArgs {
    pub(super) fn format(&self) -> Format {
        self.format.of_failures()
    }
}

impl Shape {
    fn of_failures(self) -> Format {
        if self == Self::Json { Format::Json } else { Format::Text }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, String> {
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let found = args.filter.newest(&mut args.named.open()?, most).map_err(told)?;
    let mut out = Lines(BufWriter::new(io::stdout().lock()));
    let written = match args.format {
        Shape::Table => {
            let mut rows = vec![print::TABLE.map(str::to_owned).to_vec()];
            rows.extend(found.iter().map(print::row));
            out.line(table::lines(&rows, 0).trim_end_matches('\n'))
        }
        Shape::Json => found.iter().try_for_each(|found| out.line(&print::json(found))),
        Shape::Csv => {
            let head = out.line(&print::csv_head());
            head.and_then(|()| found.iter().try_for_each(|found| out.line(&print::csv(found))))
        }
    };
    // Only a reader that went away, or a full disk: the end tells which.
    let _ = written;
    out.end()
}

pub(super) fn tail(args: &TailArgs) -> Result<ExitCode, String> {
    let mut store = args.named.open()?;
    let mut tail = Tail::from_now(&mut store).map_err(told)?;
    let lines = usize::try_from(args.lines).unwrap_or(usize::MAX);
    let before = args.filter.newest(&mut store, lines).map_err(told)?;
    let mut out = Lines(BufWriter::new(io::stdout()));
    if args.format == Shape::Csv && out.line(&print::csv_head()).is_err() {
        return Ok(exit::OK.into());
    }
    let show = |out: &mut Lines<_>, found: &Found| match args.format {
        Shape::Table => out.line(&print::row(found).join("  ")),
        Shape::Json => out.line(&print::json(found)),
        Shape::Csv => out.line(&print::csv(found)),
    };
    let mut gone = before.iter().any(|found| show(&mut out, found).is_err());
    while !gone && io::Write::flush(&mut out.0).is_ok() {
        tail.poll(&mut store, |found| {
            gone = gone || (args.filter.takes(&found) && show(&mut out, &found).is_err());
            Ok(())
        })
        .map_err(told)?;
        if io::Write::flush(&mut out.0).is_err() {
            break;
        }
        thread::sleep(LOOK);
    }
    Ok(exit::OK.into())
}
