//! What `test` prints.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::table;
use crate::coverage::{Coverage, Mission};
use crate::report::{Colour, paint, printable};
use crate::testing::{Outcome, Suite, Test};

const GREEN: &str = "1;32";
const RED: &str = "1;31";
const YELLOW: &str = "1;33";

#[derive(Serialize)]
struct Document<'s> {
    passed: usize,
    failed: usize,
    unchecked: usize,
    suites: Vec<SuiteView<'s>>,
}

#[derive(Serialize)]
struct SuiteView<'s> {
    policy: &'s str,
    cases: Vec<TestView<'s>>,
    coverage: &'s Coverage,
}

#[derive(Serialize)]
struct TestView<'s> {
    name: &'s str,
    file: &'s str,
    line: usize,
    outcome: &'static str,
    verdict: Option<&'s str>,
    reason: Option<&'s str>,
    differences: &'s [String],
}

/// For programs.
pub(super) fn json(suites: &[Suite]) -> String {
    let count = |outcome| suites.iter().map(|suite| suite.count(outcome)).sum();
    let document = Document {
        passed: count(Outcome::Passed),
        failed: count(Outcome::Failed),
        unchecked: count(Outcome::Unchecked),
        suites: suites.iter().map(SuiteView::new).collect(),
    };
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// For people.
pub(super) fn text(suites: &[Suite], verbose: bool, least: Option<u8>, colour: Colour) -> String {
    let mut out = String::new();
    for (at, suite) in suites.iter().enumerate() {
        if suites.len() > 1 {
            let space = if at > 0 { "\n" } else { "" };
            let _ = writeln!(out, "{space}{}", paint(&printable(&suite.policy), "1", colour));
        }
        for test in &suite.tests {
            one(&mut out, test, verbose, colour);
        }
        summary(&mut out, suite, colour);
        coverage(&mut out, &suite.coverage, least, colour);
        if let Some(failed) = suite.tests.iter().find(|test| test.outcome() == Outcome::Failed) {
            let (file, _) = failed.case.file_and_line();
            let command = format!("policy-compiler explain --policy {} {file}", suite.policy);
            let _ = writeln!(out, "why: {}", printable(&command));
        }
    }
    out
}

fn one(out: &mut String, test: &Test, verbose: bool, colour: Colour) {
    let outcome = test.outcome();
    let (word, code) = match outcome {
        Outcome::Failed => ("FAILED   ", RED),
        Outcome::Passed if !verbose => return,
        Outcome::Passed => ("ok       ", GREEN),
        Outcome::Unchecked if !verbose => return,
        Outcome::Unchecked => ("unchecked", YELLOW),
    };
    let (name, place) = (printable(&test.case.name), printable(&test.case.place));
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{} {name} ({place})", paint(word, code, colour));
    for difference in &test.differences {
        let _ = writeln!(out, "            {}", printable(difference));
    }
}

fn summary(out: &mut String, suite: &Suite, colour: Colour) {
    let (passed, failed) = (suite.count(Outcome::Passed), suite.count(Outcome::Failed));
    let unchecked = suite.count(Outcome::Unchecked);
    let failures = format!("{failed} failed");
    let failures = if failed > 0 { paint(&failures, RED, colour) } else { failures };
    let rest = match unchecked {
        0 => String::new(),
        _ => format!(", {unchecked} unchecked, for they expect nothing"),
    };
    let _ = writeln!(out, "{passed} passed, {failures}{rest}");
}

fn coverage(out: &mut String, coverage: &Coverage, least: Option<u8>, colour: Colour) {
    let (rules, hit, permille) = (coverage.rules, coverage.hit, coverage.permille());
    let percent = match permille % 10 {
        0 => format!("{} %", permille / 10),
        tenth => format!("{}.{tenth} %", permille / 10),
    };
    let below = least.filter(|&least| !coverage.reaches(least));
    let (code, demand) = match below {
        Some(least) => (RED, format!(", below the {least} % that are asked for")),
        None if hit < rules => (YELLOW, String::new()),
        None => (GREEN, String::new()),
    };
    let share = paint(&format!("{hit} of {rules} rules hit ({percent}){demand}"), code, colour);
    let _ = writeln!(out, "coverage: {share}");
    let rows: Vec<_> = coverage.missions.iter().map(row).collect();
    out.push_str(&table::lines(&rows, 2));
    let silent: Vec<_> = coverage.agents.iter().filter(|agent| agent.cases == 0).collect();
    if !silent.is_empty() {
        let names: Vec<_> = silent.iter().map(|agent| printable(&agent.name)).collect();
        let _ = writeln!(out, "agents that no case calls as: {}", names.join(", "));
    }
}

fn row(mission: &Mission) -> Vec<String> {
    let missed: Vec<_> = mission.rules.iter().filter(|rule| rule.cases == 0).collect();
    let names = missed.iter().map(|rule| match &rule.operation {
        Some(operation) => format!("{} ({}, {operation})", rule.name, rule.effect),
        None => format!("{} ({})", rule.name, rule.effect),
    });
    let names: Vec<_> = names.collect();
    let hit = format!("{}/{}", mission.rules.len() - missed.len(), mission.rules.len());
    let never = if names.is_empty() { String::new() } else { format!("never hit: {}", names.join(", ")) };
    vec![mission.name.clone(), hit, never]
}

impl<'s> SuiteView<'s> {
    fn new(suite: &'s Suite) -> Self {
        let cases = suite.tests.iter().map(TestView::new).collect();
        Self { policy: &suite.policy, cases, coverage: &suite.coverage }
    }
}

impl<'s> TestView<'s> {
    fn new(test: &'s Test) -> Self {
        let (file, line) = test.case.file_and_line();
        let record = test.observed.as_ref().map(|observed| &observed.record);
        Self {
            name: &test.case.name,
            file,
            line,
            outcome: test.outcome().name(),
            verdict: record.map(|record| record.verdict.as_str()),
            reason: record.map(|record| record.reason.as_str()),
            differences: &test.differences,
        }
    }
}
