//! `diff`: what differs between two policies in meaning.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::{Format, print};
use crate::Audience;
use crate::diff::{Change, Direction, Subject, compare};
use crate::exit;
use crate::report::{Colour, paint, printable};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy before: a directory, a file, or a compiled bundle
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The policy after
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// Compare only what concerns this namespace or workload, by `audiences` of the Services; bundles are taken as they are
    #[arg(long, value_name = "NAMESPACE[/WORKLOAD]", value_parser = Audience::parse)]
    audience: Option<Audience>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Document<'c> {
    same: bool,
    changes: &'c [Change],
}

pub(super) fn run(args: &Args) -> ExitCode {
    let load = |path| crate::load_policy_for(path, args.audience.as_ref());
    let ((before, of_before), (after, of_after)) = (load(&args.before), load(&args.after));
    let reports = [&of_before, &of_after];
    let (Some(before), Some(after)) = (before, after) else { return args.format.refuse(&reports) };
    args.format.show(&reports);
    let changes = compare(&before, &after);
    let code = print(&match args.format {
        Format::Text => text(&changes, Colour::for_stream(&io::stdout())),
        Format::Json => {
            let document = Document { same: changes.is_empty(), changes: &changes };
            serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
        }
    });
    if code == exit::OK.into() && !changes.is_empty() { exit::FINDINGS.into() } else { code }
}

fn text(changes: &[Change], colour: Colour) -> String {
    if changes.is_empty() {
        return "no change in meaning\n".to_owned();
    }
    let mut out = String::new();
    let mut above: Option<(String, Option<&str>)> = None;
    for change in changes {
        let (heading, service) = (printable(&heading(&change.subject)), change.service.as_deref());
        if above.as_ref().is_none_or(|(other, _)| *other != heading) {
            // Writing to a String cannot fail.
            let _ =
                writeln!(out, "{}{}", if above.is_some() { "\n" } else { "" }, paint(&heading, "1", colour));
        }
        let here = Some((heading, service));
        if let (Some(service), true) = (service, above != here) {
            let _ = writeln!(out, "  at {}", printable(service));
        }
        above = here;
        let (mark, code) = mark(change.change);
        let indent = if service.is_some() { "    " } else { "  " };
        let _ = writeln!(out, "{indent}{} {}", paint(mark, code, colour), printable(&change.sentence));
    }
    let count = |direction| changes.iter().filter(|change| change.change == direction).count();
    let (more, less) = (count(Direction::More), count(Direction::Less));
    let other = count(Direction::Other);
    let _ = writeln!(out, "\n{more} more permitted, {less} less, {other} otherwise");
    out
}

fn heading(subject: &Subject) -> String {
    match subject {
        Subject::Gate => "the gate".to_owned(),
        Subject::Detector { name } => format!("detector {name}"),
        Subject::Service { name } => format!("service {name}"),
        Subject::EveryAgent => "every agent".to_owned(),
        Subject::Agent { name, was: None, .. } => format!("agent {name}"),
        Subject::Agent { name, was: Some(was), identities } => {
            format!("agent {name} (before {was}: {})", identities.join(", "))
        }
    }
}

fn mark(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::More => ("+", "1;32"),
        Direction::Less => ("-", "1;31"),
        Direction::Other => ("~", "1;33"),
    }
}
