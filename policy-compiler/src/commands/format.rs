//! How results, and what stands in their way, are printed: for people or for programs.
//!
//! Where JSON is asked for, standard output holds JSON whatever happens: the result, or with exit code 2 what kept the command from having
//! one. Warnings beside a result go to standard error, likewise as JSON.

use std::process::ExitCode;

use clap::ValueEnum;

use super::{fail, print, show};
use crate::exit;
use crate::report::{Report, failure, json};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

impl Format {
    /// Shows what is to be said beside a result.
    pub(super) fn show(self, reports: &[&Report]) {
        match self {
            Self::Text => reports.iter().copied().for_each(show),
            Self::Json if reports.iter().all(|report| report.diagnostics.sorted().is_empty()) => {}
            Self::Json => eprintln!("{}", json(reports)),
        }
    }

    /// Says what is wrong with the input of a command, which has no result.
    pub(super) fn refuse(self, reports: &[&Report]) -> ExitCode {
        match self {
            Self::Text => reports.iter().copied().for_each(show),
            Self::Json => {
                // The code says more than a failure to print, which has the same.
                let _ = print(&(json(reports) + "\n"));
            }
        }
        exit::BAD_INPUT.into()
    }

    /// Says why a command could not do its work.
    pub(super) fn fail(self, why: &str) -> ExitCode {
        match self {
            Self::Text => fail(why),
            Self::Json => {
                let _ = print(&(failure("failed", why) + "\n"));
                exit::BAD_INPUT.into()
            }
        }
    }

    /// Says why something is not taken, although the command did its work.
    pub(super) fn finding(self, why: &str) -> ExitCode {
        match self {
            Self::Text => eprintln!("refused: {why}"),
            Self::Json => {
                let _ = print(&(failure("refused", why) + "\n"));
            }
        }
        exit::FINDINGS.into()
    }
}
