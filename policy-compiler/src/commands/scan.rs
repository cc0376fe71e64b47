//! `scan`: tries detectors on texts.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sallyport_engine::scan::Place;
use serde::Serialize;

use super::{Format, fail, print, table};
use crate::exit;
use crate::report::printable;
use crate::scanning::{Finding, Scanned, Scanner};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Texts or JSON documents; `-`, or none, is standard input
    #[arg(value_name = "FILE")]
    paths: Vec<PathBuf>,
    /// Policy whose detectors and profiles are tried: a directory or a file
    #[arg(long, value_name = "PATH")]
    policy: Option<PathBuf>,
    /// The DlpProfile of the policy; without it, the Gate's
    #[arg(long, value_name = "NAME", requires = "policy")]
    profile: Option<String>,
    /// Let every detector look, those as well that are off
    #[arg(long)]
    all: bool,
    /// Where the texts would stand
    #[arg(long, value_enum, default_value_t)]
    place: Where,
    /// Print the text with whatever is refused or redacted replaced, not the findings
    #[arg(long, conflicts_with = "format")]
    redact: bool,
    /// Let each text arrive in pieces of so many bytes, as in a stream
    #[arg(long, value_name = "N")]
    chunk: Option<NonZeroUsize>,
    /// How findings are printed; `json` is one object a line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
enum Where {
    /// In a request
    #[default]
    Request,
    /// In a response
    Response,
    /// In the description of a tool that a server offers
    Tools,
}

/// A finding, and where.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    #[serde(flatten)]
    finding: &'a Finding,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let (detection, report) = crate::detection(args.policy.as_deref());
    let Some(detection) = detection else { return args.format.refuse(&[&report]) };
    args.format.show(&[&report]);
    let profile = match detection.profile(args.profile.as_deref()) {
        Ok(profile) => profile,
        Err(why) => return args.format.fail(&why),
    };
    let mut scanner = Scanner { profile, tables: detection.tables, place: args.place.into() };
    if args.all {
        scanner.turn_all_on();
    }
    let mut found = false;
    let input = [PathBuf::from("-")];
    for path in if args.paths.is_empty() { &input[..] } else { &args.paths } {
        let scanned = match args.scan(&scanner, path) {
            Ok(scanned) => scanned,
            Err(why) => return args.format.fail(&format!("`{}` can not be read: {why}", path.display())),
        };
        found |= !scanned.findings.is_empty();
        let written = if args.redact { write(&scanned.text) } else { print(&args.lines(path, &scanned)) };
        if written != exit::OK.into() {
            return written;
        }
    }
    if found { exit::FINDINGS.into() } else { exit::OK.into() }
}

impl Args {
    fn scan(&self, scanner: &Scanner, path: &Path) -> Result<Scanned, String> {
        let mut text = Vec::new();
        let read = if path == Path::new("-") {
            io::stdin().lock().read_to_end(&mut text).map(drop)
        } else {
            fs::read(path).map(|bytes| text = bytes)
        };
        read.map_err(|error| error.to_string())?;
        match self.chunk {
            None => Ok(scanner.whole(&text)),
            Some(size) => {
                scanner.pieces(&text, size.get()).ok_or_else(|| "`--chunk` takes text in UTF-8".to_owned())
            }
        }
    }

    fn lines(&self, path: &Path, scanned: &Scanned) -> String {
        let file = path.display().to_string();
        match self.format {
            Format::Json => {
                let line =
                    |finding| serde_json::to_string(&Line { file: &file, finding }).unwrap_or_default();
                scanned.findings.iter().map(|finding| line(finding) + "\n").collect()
            }
            Format::Text => {
                let rows: Vec<_> = scanned.findings.iter().map(|finding| row(&file, finding)).collect();
                table::lines(&rows, 0)
            }
        }
    }
}

impl From<Where> for Place {
    fn from(place: Where) -> Self {
        match place {
            Where::Request => Self::Request,
            Where::Response => Self::Response,
            Where::Tools => Self::Tools,
        }
    }
}

fn row(file: &str, finding: &Finding) -> Vec<String> {
    let place = format!("{file}:{}:{}", finding.line, finding.column);
    vec![
        printable(&place),
        finding.severity.to_owned(),
        finding.action.to_owned(),
        finding.detector.clone(),
        format!("{} bytes", finding.length),
        printable(&finding.pointer),
    ]
}

/// Writes bytes to standard output.
fn write(bytes: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => exit::OK.into(),
        Err(error) => fail(&format!("the result can not be written: {error}")),
    }
}
