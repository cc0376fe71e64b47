//! `test`: case files as the unit tests of a policy, with what they cover.

mod output;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Format, print};
use crate::files::write_atomically;
use crate::project::{self, Project};
use crate::report::Colour;
use crate::testing::{NotRun, Outcome, Suite};
use crate::{exit, junit};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Projects: folders with `policy/` and `cases/` in them; or some of a project's case files
    #[arg(value_name = "PATH", required_unless_present = "policy", conflicts_with_all = ["policy", "cases"])]
    paths: Vec<PathBuf>,
    /// The policy, where it is not in a project: a directory, a file, or a compiled bundle
    #[arg(long, value_name = "PATH", requires = "cases")]
    policy: Option<PathBuf>,
    /// The case files, or directories of them, for `--policy`
    #[arg(long, value_name = "CASE", num_args = 1.., requires = "policy")]
    cases: Vec<PathBuf>,
    /// Name every case, not only those that failed
    #[arg(short, long)]
    verbose: bool,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the results as JUnit XML, too; the file appears whole or not at all
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Fail if the cases hit less than this share of a policy's rules
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let projects = match args.projects() {
        Ok(projects) => projects,
        Err(why) => return args.format.fail(&why),
    };
    let mut suites = Vec::new();
    let mut bad = Vec::new();
    for project in &projects {
        match Suite::run(project) {
            Ok(suite) => suites.push(suite),
            Err(NotRun::Bad { policy, cases }) => bad.extend([*policy, *cases]),
            Err(NotRun::Engine(error)) => {
                return args.format.fail(&format!("the gate can not be started: {error}"));
            }
        }
    }
    if !bad.is_empty() {
        return args.format.refuse(&bad.iter().collect::<Vec<_>>());
    }
    if let Some(path) = &args.junit
        && let Err(error) = junit::document(&suites).and_then(|document| write_atomically(path, &document))
    {
        return args.format.fail(&format!("`{}` can not be written: {error}", path.display()));
    }
    let code = print(&match args.format {
        Format::Text => {
            output::text(&suites, args.verbose, args.min_coverage, Colour::for_stream(&io::stdout()))
        }
        Format::Json => output::json(&suites),
    });
    let failed = suites.iter().any(|suite| suite.count(Outcome::Failed) > 0);
    let uncovered = args.min_coverage.is_some_and(|least| suites.iter().any(|s| !s.coverage.reaches(least)));
    if code == exit::OK.into() && (failed || uncovered) { exit::FINDINGS.into() } else { code }
}

impl Args {
    fn projects(&self) -> Result<Vec<Project>, String> {
        match &self.policy {
            None => project::find(&self.paths),
            Some(policy) => Ok(vec![Project { policy: policy.clone(), cases: self.cases.clone() }]),
        }
    }
}
