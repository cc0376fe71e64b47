//! `check`: everything that is wrong with policy.

use std::path::PathBuf;
use std::process::ExitCode;

use sallyport_engine::Policy;

use super::{Format, print, show};
use crate::diagnostic::{Id, Severity};
use crate::exit;
use crate::report::Report;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Policy: files, or directories of them; all of it together is one policy
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// How diagnostics are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Let warnings fail the check as errors do
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let (policy, report) = crate::compile(&args.paths);
    let text = match (args.format, &policy) {
        (Format::Json, _) => report.json() + "\n",
        (Format::Text, Some(policy)) => summary(policy) + "\n",
        (Format::Text, None) => String::new(),
    };
    if args.format == Format::Text {
        show(&report);
        eprint!("{}", counts(&report));
    }
    let warned = args.deny_warnings && report.diagnostics.count(Severity::Warning) > 0;
    let code = print(&text);
    // What was not read was not checked.
    if report.diagnostics.sorted().iter().any(|diagnostic| diagnostic.id == Id::Unreadable) {
        return exit::BAD_INPUT.into();
    }
    if report.has_errors() || warned { exit::FINDINGS.into() } else { code }
}

fn summary(policy: &Policy) -> String {
    let parts = policy.parts();
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let rules = parts.missions.iter().map(|mission| mission.rules.len()).sum();
    format!(
        "ok: {}, {} with {}, {}",
        count(parts.agents.len(), "agent"),
        count(parts.missions.len(), "mission"),
        count(rules, "rule"),
        count(parts.services.len(), "service"),
    )
}

/// What was found, in numbers; nothing where there is nothing.
fn counts(report: &Report) -> String {
    let all = &report.diagnostics;
    let of = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what}"));
    let found = [
        of(all.count(Severity::Error), "error(s)"),
        of(all.count(Severity::Warning), "warning(s)"),
        of(all.waived().len(), "waived"),
    ];
    let found: Vec<_> = found.into_iter().flatten().collect();
    if found.is_empty() { String::new() } else { found.join(", ") + "\n" }
}
