//! What is wrong with the last edit, or with something else that the companion needs, for whoever looks after it.
//!
//! It names places and says what to do. It holds no excerpts of files and no bodies of cases.

use serde::Serialize;

use crate::diagnostic::Severity;
use crate::report::{Report, printable};
use crate::testing::{NotRun, Outcome, Suite};

/// How many details one problem carries; the others are counted.
const MAX_DETAILS: usize = 50;
/// The longest text of a detail, in characters.
const MAX_TEXT: usize = 300;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Problem {
    /// A stable word for metrics and logs.
    pub(super) kind: &'static str,
    /// What is wrong, in a sentence.
    pub(super) message: String,
    /// The places.
    pub(super) details: Vec<Detail>,
    /// How many more there are.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) more: usize,
}

/// One place where something is wrong.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Detail {
    /// A diagnostic's id, or a refusal's code.
    pub(super) id: String,
    /// `file:line:column`, a case's place, or a file.
    pub(super) place: String,
    /// What is wrong.
    pub(super) message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) help: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Problem {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Vec::new(), more: 0 }
    }

    /// The errors of a report.
    pub(super) fn of_report(kind: &'static str, message: &str, report: &Report) -> Self {
        let errors =
            report.diagnostics.sorted().into_iter().filter(|one| one.id.severity() == Severity::Error);
        Self::with(
            kind,
            message,
            errors.map(|one| {
                let position = report.sources.position(one.span);
                Detail {
                    id: one.id.name().to_owned(),
                    place: format!(
                        "{}:{}:{}",
                        report.sources.name(one.span.file),
                        position.line,
                        position.column
                    ),
                    message: cut(&one.message),
                    help: one.help.as_deref().map(cut),
                }
            }),
        )
    }

    /// The cases that did not pass.
    pub(super) fn of_suite(suite: &Suite) -> Self {
        let failed = suite.tests.iter().filter(|test| test.outcome() == Outcome::Failed);
        Self::with(
            "cases",
            "case files do not pass, so the policy is not published",
            failed.map(|test| Detail {
                id: "case".to_owned(),
                place: test.case.place.clone(),
                message: cut(&format!("`{}`: {}", test.case.name, test.differences.join("; "))),
                help: Some("mend the policy, or the case if it asks for what is no longer meant".to_owned()),
            }),
        )
    }

    /// Why a suite could not be run.
    pub(super) fn of_not_run(why: &NotRun) -> Self {
        match why {
            NotRun::Bad { policy, .. } if policy.has_errors() => {
                Self::of_report("policy", "the policy has errors", policy)
            }
            NotRun::Bad { cases, .. } => Self::of_report("cases", "the case files have errors", cases),
            NotRun::Engine(error) => Self::new("cases", format!("the cases can not be run: {error}")),
        }
    }

    pub(super) fn with(
        kind: &'static str,
        message: impl Into<String>,
        details: impl Iterator<Item = Detail>,
    ) -> Self {
        let mut all: Vec<_> = details.collect();
        let more = all.len().saturating_sub(MAX_DETAILS);
        all.truncate(MAX_DETAILS);
        Self { details: all, more, ..Self::new(kind, message) }
    }

    /// How many places there are; at least one.
    pub(super) fn count(&self) -> usize {
        (self.details.len() + self.more).max(1)
    }

    /// The places for a log line: what and where, without the words of a file or a case.
    pub(super) fn places(&self) -> String {
        let shown: Vec<_> =
            self.details.iter().take(10).map(|one| format!("{}: {}", one.place, one.id)).collect();
        shown.join(", ")
    }
}

/// A text for a terminal or a page, not too long.
pub(super) fn cut(text: &str) -> String {
    let mut short: String = printable(text).chars().take(MAX_TEXT).collect();
    if short.len() < text.len() && text.chars().count() > MAX_TEXT {
        short.push('\u{2026}');
    }
    short
}
