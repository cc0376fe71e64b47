//! `audit export`.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Lines, Named, told};
use crate::audit::{Filter, Parquet, StoreError, print};
use crate::exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    filter: Filter,
    /// The file; standard output if not given, except for Parquet. It appears whole or not at all
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What is written
    #[arg(long, value_enum, default_value_t)]
    format: Shape,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
enum Shape {
    /// A JSON object a line
    #[default]
    Jsonl,
    /// Comma-separated values
    Csv,
    /// Parquet: columns with types, compressed
    Parquet,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, String> {
    let Some(path) = &args.output else {
        if args.format == Shape::Parquet {
            return Err("Parquet is written into a file: name it with `--output`".to_owned());
        }
        let mut out = Lines(BufWriter::new(io::stdout().lock()));
        return match write(args, &mut out)? {
            // Whoever no longer reads has seen enough.
            Err(why) if why.kind() != ErrorKind::BrokenPipe => {
                Err(format!("the result can not be written: {why}"))
            }
            Err(_) => Ok(exit::OK.into()),
            Ok(()) => out.end(),
        };
    };
    let told = |why: &dyn std::fmt::Display| format!("`{}` can not be written: {why}", path.display());
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let file = tempfile::Builder::new().tempfile_in(folder.unwrap_or(std::path::Path::new(".")));
    let mut file = file.map_err(|why| told(&why))?;
    if args.format == Shape::Parquet {
        columns(args, file.as_file_mut())?;
    } else {
        let mut out = Lines(BufWriter::new(file.as_file_mut()));
        write(args, &mut out)?.and_then(|()| out.0.flush()).map_err(|why| told(&why))?;
    }
    file.as_file().sync_all().map_err(|why| told(&why))?;
    file.persist(path).map_err(|why| told(&why))?;
    Ok(exit::OK.into())
}

fn columns(args: &Args, file: &mut File) -> Result<(), String> {
    let mut store = args.named.open()?;
    let mut out = Parquet::new(file).map_err(told)?;
    args.filter.each(&mut store, |found| out.add(&found)).and_then(|()| out.end()).map_err(told)
}

/// Writes lines: what is wrong with the store, or else what became of the writing.
fn write<W: Write>(args: &Args, out: &mut Lines<W>) -> Result<io::Result<()>, String> {
    let mut store = args.named.open()?;
    let mut written = if args.format == Shape::Csv { out.line(&print::csv_head()) } else { Ok(()) };
    let shape = args.format;
    let each = args.filter.each(&mut store, |found| {
        if written.is_ok() {
            written = out.line(&match shape {
                Shape::Csv => print::csv(&found),
                Shape::Jsonl | Shape::Parquet => print::json(&found),
            });
        }
        // Nothing more is read for nobody.
        written.as_ref().copied().map_err(|why| StoreError::new(why.to_string()))
    });
    if written.is_ok() { each.map_err(told).map(Ok) } else { Ok(written) }
}
