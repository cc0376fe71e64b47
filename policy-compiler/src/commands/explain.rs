//! `explain`: the path of each request to its verdict.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Format, print, table};
use crate::cases;
use crate::explain::{Considered, Explanation, explain};
use crate::native::Native;
use crate::report::{Colour, paint, printable};

/// How many rules that do not cover a request are shown of each.
const MOST_RULES: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy: a directory, a file, or a compiled bundle
    #[arg(long, value_name = "PATH")]
    policy: PathBuf,
    /// Case files, or directories of them
    #[arg(value_name = "CASE", required = true)]
    cases: Vec<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let (bundle, policy) = crate::load_bundle(&args.policy);
    let (cases, report) = cases::load(&args.cases);
    let reports = [&policy, &report];
    let Some(bundle) = bundle.filter(|_| !policy.has_errors() && !report.has_errors()) else {
        return args.format.refuse(&reports);
    };
    args.format.show(&reports);
    let explained = Native::new(&bundle).and_then(|mut engine| {
        cases.iter().map(|case| explain(&mut engine, case)).collect::<Result<Vec<_>, _>>()
    });
    match (explained, args.format) {
        (Err(error), format) => format.fail(&format!("the engine could not be asked: {error}")),
        (Ok(all), Format::Json) => print(&(serde_json::to_string_pretty(&all).unwrap_or_default() + "\n")),
        (Ok(all), Format::Text) => {
            let colour = Colour::for_stream(&io::stdout());
            print(&all.iter().map(|one| text(one, colour)).collect::<Vec<_>>().join("\n"))
        }
    }
}

fn text(explained: &Explanation, colour: Colour) -> String {
    let heading = format!("{} ({}:{})", explained.name, explained.file, explained.line);
    let mut out = paint(&printable(&heading), "1", colour) + "\n";
    let rows: Vec<_> = steps(explained).into_iter().map(|(step, what)| vec![step.to_owned(), what]).collect();
    out.push_str(&table::lines(&rows, 2));
    rules(&mut out, &explained.rules, colour);
    let passed = explained.verdict == "allow";
    let said = format!("{}, {}, status {}", explained.verdict, explained.reason, explained.status);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  verdict    {}", paint(&said, if passed { "1;32" } else { "1;31" }, colour));
    let because: Vec<_> =
        because(explained).into_iter().map(|line| format!("             {line}\n")).collect();
    out.push_str(&printable_lines(&because));
    out
}

/// The path until the rules, as far as it goes.
fn steps(explained: &Explanation) -> Vec<(&'static str, String)> {
    let Explanation { caller, trust_domain, agent, missions, service, route, protocol, .. } = explained;
    let none = |what: &str| format!("none: {what}");
    let Some(caller) = caller else { return vec![("caller   ", none("no verified identity"))] };
    let mut steps = vec![("caller   ", caller.clone())];
    let domain = trust_domain.clone().unwrap_or_default();
    if explained.reason == "identity.untrusted_domain" {
        steps.push(("domain", format!("{domain}, which policy does not declare")));
        return printable_steps(steps);
    }
    steps.push(("domain", domain));
    let Some(agent) = agent else {
        steps.push(("agent", none("the identity is no agent's")));
        return printable_steps(steps);
    };
    steps.push(("agent", agent.clone()));
    let on = if missions.is_empty() { none("the agent has no mission") } else { missions.join(", ") };
    steps.push(("missions", on));
    steps.push(("service", service.clone().unwrap_or_else(|| none("no Service is at this host and port"))));
    if service.is_some() {
        let route = route.as_ref().zip(*protocol);
        let route = route.map(|(path, protocol)| format!("{path}, judged as {protocol}"));
        steps.push((
            "route",
            route.unwrap_or_else(|| none("no route fits the path, or it could be read in two ways")),
        ));
    }
    steps.extend(explained.operation.clone().map(|operation| ("operation", operation)));
    printable_steps(steps)
}

fn printable_steps(steps: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    steps.into_iter().map(|(step, what)| (step, printable(&what))).collect()
}

fn printable_lines(lines: &[String]) -> String {
    lines.iter().map(|line| printable(line.trim_end()) + "\n").collect()
}

fn rules(out: &mut String, rules: &[Considered], colour: Colour) {
    let (covering, mut others): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| rule.covers);
    others.sort_by_key(|rule| Reverse(rule.miss));
    let rows: Vec<_> = covering.iter().chain(others.iter().take(MOST_RULES)).map(|rule| row(rule)).collect();
    for (at, line) in table::lines(&rows, 0).lines().enumerate() {
        let label = if at == 0 { "rules" } else { "" };
        let (mark, code) = if at < covering.len() { ("+", "1;32") } else { ("-", "2") };
        let _ = writeln!(out, "  {label:<9}  {} {}", paint(mark, code, colour), printable(line));
    }
    if let Some(more) = others.len().checked_sub(MOST_RULES).filter(|more| *more > 0) {
        let _ = writeln!(out, "               and {more} more that do not cover it");
    }
}

fn row(rule: &Considered) -> Vec<String> {
    let what = rule.missing.clone().unwrap_or_else(|| "covers it".to_owned());
    vec![rule.rule.to_string(), rule.effect.to_owned(), what]
}

fn allows(rule: &Considered) -> bool {
    rule.covers && rule.effect == "allow"
}

/// What explains the verdict.
fn because(explained: &Explanation) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(rule) = &explained.decided {
        lines.push(format!("decided by {rule}"));
    }
    lines.extend(explained.findings.iter().map(|finding| format!("found {finding}")));
    if let Some(enforced) = &explained.enforced {
        lines.push(format!("refusals are only noted here; carried out, it would be {enforced}"));
    }
    lines.extend(explained.help.clone());
    match (&explained.nearest, explained.protocol) {
        (Some(nearest), _) => {
            // A rule that refuses would have to go as well.
            let without = if explained.decided.is_some() { "without that, " } else { "" };
            let conditions = nearest.conditions.join(", and if ");
            lines.push(format!("{without}{} would allow it if {conditions}", nearest.rule));
        }
        (None, Some(protocol)) if explained.reason.starts_with("scope.") => {
            lines.push(match explained.rules.is_empty() {
                true => "none of the agent's rules is for this service".to_owned(),
                false => format!(
                    "none of the agent's rules for this service would allow any such {protocol} request"
                ),
            });
        }
        (None, _) if explained.decided.is_some() && !explained.rules.iter().any(allows) => {
            lines.push("without that, no rule would allow it either".to_owned());
        }
        _ => {}
    }
    lines
}
