//! The numbers, as a table for people and as JSON for programs.

use std::fmt;

use serde::Serialize;

use super::decisions::Samples;
use super::scan::Scan;
use super::subjects::{Budget, LARGE, LARGEST, LARGEST_TO_LARGE};

/// How much more a byte may cost in a body of 1 MiB than in one of 64 KiB.
const BUDGET_PER_BYTE: f64 = 1.1;

/// The rows that are compared: ours, and what it may cost at most beside each peer.
pub(super) const OURS: &str = "Sallyport";
/// The same, with records on their way to a companion.
pub(super) const RECORDED: &str = "Sallyport, records sent";
pub(super) const SDK: &str = "SDK filter, no-op";
pub(super) const AUTHZ: &str = "ext_authz, no-op";
const BUDGETS: [(&str, f64); 2] = [(SDK, 1.25), (AUTHZ, 0.2)];

/// From this share of interrupted batches on, the reader is told.
const BUSY: f64 = 0.02;

/// What one run measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    machine: String,
    pub(super) decisions: Vec<Decision>,
    pub(super) instructions: Option<Instructions>,
    pub(super) scan: Option<Scan>,
    pub(super) scale: Vec<ScaleRow>,
    pub(super) envoy: Option<EnvoyCpu>,
}

/// One figure of what many agents cost.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScaleRow {
    what: String,
    value: f64,
    unit: &'static str,
    budget: Option<f64>,
    within_budget: Option<bool>,
}

/// Time per decision, in microseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decision {
    what: &'static str,
    r#where: &'static str,
    p50_micros: f64,
    p99_micros: f64,
    budget_p50_micros: Option<f64>,
    budget_p99_micros: Option<f64>,
    within_budget: Option<bool>,
    /// The share of batches that other work on the machine interrupted, and that do not count.
    interrupted: f64,
}

/// Instructions per decision of the engine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Instructions {
    Counted(Vec<Instruction>),
    NotCounted(&'static str),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Instruction {
    pub(super) what: &'static str,
    pub(super) per_decision: u64,
}

/// CPU time per request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum EnvoyCpu {
    Measured { envoy: String, requests: usize, rows: Vec<CpuRow> },
    NotMeasured(String),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CpuRow {
    pub(super) what: &'static str,
    pub(super) envoy_micros: f64,
    pub(super) authorizer_micros: Option<f64>,
    /// Beside the first row, round by round.
    pub(super) added_micros: f64,
    pub(super) ratio: f64,
}

// === impl Report ===

impl Report {
    pub(super) fn new() -> Self {
        Self {
            machine: machine(),
            decisions: Vec::new(),
            instructions: None,
            scan: None,
            scale: Vec::new(),
            envoy: None,
        }
    }
}

impl Decision {
    pub(super) fn new(
        what: &'static str,
        r#where: &'static str,
        samples: &Samples,
        budget: Option<Budget>,
    ) -> Self {
        let Samples { sorted, interrupted } = samples;
        let at = |percent: usize| sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default();
        let (p50, p99) = (at(50), at(99));
        Self {
            what,
            r#where,
            p50_micros: p50,
            p99_micros: p99,
            budget_p50_micros: budget.map(|budget| budget.p50),
            budget_p99_micros: budget.and_then(|budget| budget.p99),
            within_budget: budget
                .map(|budget| p50 <= budget.p50 && budget.p99.is_none_or(|most| p99 <= most)),
            interrupted: *interrupted as f64 / (sorted.len() + interrupted).max(1) as f64,
        }
    }
}

impl ScaleRow {
    pub(super) fn new(what: String, value: f64, unit: &'static str, budget: Option<f64>) -> Self {
        Self { what, value, unit, budget, within_budget: budget.map(|most| value <= most) }
    }
}

impl Instructions {
    pub(super) fn not_counted(why: &'static str) -> Self {
        Self::NotCounted(why)
    }
}

// === the table ===

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "on {}", self.machine)?;
        if !self.decisions.is_empty() {
            decisions(f, &self.decisions)?;
        }
        if let Some(instructions) = &self.instructions {
            writeln!(f, "\n{:<18} instructions per decision (engine, native)", "")?;
            match instructions {
                Instructions::Counted(rows) => {
                    rows.iter()
                        .try_for_each(|row| writeln!(f, "{:<18} {:>8}", row.what, row.per_decision))?;
                }
                Instructions::NotCounted(why) => writeln!(f, "not counted: {why}")?,
            }
        }
        if let Some(scan) = &self.scan {
            write!(f, "{scan}")?;
        }
        if !self.scale.is_empty() {
            scale(f, &self.scale)?;
        }
        match &self.envoy {
            None => Ok(()),
            Some(EnvoyCpu::NotMeasured(why)) => writeln!(f, "\nCPU per request: not measured: {why}"),
            Some(EnvoyCpu::Measured { envoy, requests, rows }) => {
                writeln!(
                    f,
                    "\nCPU per request, µs: {requests} tool calls of 1 KiB each over mutual TLS, {envoy}"
                )?;
                cpu(f, rows)
            }
        }
    }
}

fn decisions(f: &mut fmt::Formatter<'_>, rows: &[Decision]) -> fmt::Result {
    writeln!(f, "\n{:<18} {:<24} {:>8} {:>8}   budget", "decision, µs", "", "p50", "p99")?;
    for row in rows {
        write!(f, "{:<18} {:<24} {:>8.2} {:>8.2}", row.what, row.r#where, row.p50_micros, row.p99_micros)?;
        if let (Some(p50), Some(within)) = (row.budget_p50_micros, row.within_budget) {
            let p99 = row.budget_p99_micros.map_or_else(String::new, |p99| format!(" / {p99}"));
            write!(f, "   {p50}{p99}: {}", verdict(within))?;
        }
        writeln!(f)?;
    }
    if let Some(ratio) = per_byte(rows) {
        let within = verdict(ratio <= BUDGET_PER_BYTE);
        writeln!(
            f,
            "a byte of the largest call costs {ratio:.2} times one of the large; budget {BUDGET_PER_BYTE}: {within}"
        )?;
    }
    let busiest = rows.iter().map(|row| row.interrupted).fold(0.0, f64::max);
    if busiest > BUSY {
        let shown = busiest * 100.0;
        writeln!(
            f,
            "(the machine was busy: up to {shown:.0} % of the batches were interrupted and do not count)"
        )?;
    }
    Ok(())
}

fn scale(f: &mut fmt::Formatter<'_>, rows: &[ScaleRow]) -> fmt::Result {
    writeln!(f, "\n{:<56} {:>9}       budget", "scale", "")?;
    for row in rows {
        write!(f, "{:<56} {:>9.2} {:<4}", row.what, row.value, row.unit)?;
        if let (Some(budget), Some(within)) = (row.budget, row.within_budget) {
            write!(f, "  {budget}: {}", verdict(within))?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// What a byte of the largest body costs in the module beside one of the large body.
fn per_byte(rows: &[Decision]) -> Option<f64> {
    let p50 = |what: &str| {
        let row = rows.iter().find(|row| row.what == what && row.r#where == "module, wasmtime");
        row.map(|row| row.p50_micros)
    };
    Some(p50(LARGEST)? / p50(LARGE)? / LARGEST_TO_LARGE)
}

fn cpu(f: &mut fmt::Formatter<'_>, rows: &[CpuRow]) -> fmt::Result {
    writeln!(f, "{:<18} {:>8} {:>12} {:>8} {:>9}", "", "Envoy", "authorizer", "added", "ratio")?;
    for row in rows {
        let CpuRow { what, envoy_micros, authorizer_micros, added_micros, ratio } = row;
        let authorizer = authorizer_micros.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.0}"));
        writeln!(f, "{what:<18} {envoy_micros:>8.0} {authorizer:>12} {added_micros:>8.0} {ratio:>8.2}x")?;
    }
    let added = |name| rows.iter().find(|row| row.what == name).map(|row| row.added_micros);
    for (peer, most) in BUDGETS {
        let (Some(ours), Some(theirs)) = (added(OURS), added(peer)) else { continue };
        let (shown, most_shown) = (ours / theirs * 100.0, most * 100.0);
        let verdict = verdict(ours <= most * theirs);
        writeln!(f, "{OURS} adds {shown:.0} % of what {peer} adds; budget {most_shown:.0} %: {verdict}")?;
    }
    Ok(())
}

pub(super) fn verdict(within: bool) -> &'static str {
    if within { "ok" } else { "OVER" }
}

/// The processor and how many of it: numbers mean nothing without.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {count} threads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_budgets() {
        let samples = Samples { sorted: (0..100).map(f64::from).collect(), interrupted: 100 };
        let over = Decision::new("a", "b", &samples, Some(Budget { p50: 50.0, p99: Some(98.0) }));
        assert_eq!((over.p50_micros, over.p99_micros, over.within_budget), (50.0, 99.0, Some(false)));
        assert_eq!(Decision::new("a", "b", &samples, None).within_budget, None);
        let mut report = Report::new();
        report.decisions = vec![over];
        report.scale = vec![ScaleRow::new("load".to_owned(), 30.0, "ms", Some(20.0))];
        let table = report.to_string();
        assert!(table.contains("30.00 ms    20: OVER"), "{table}");
        assert!(table.contains("50 / 98: OVER") && table.contains("50 % of the batches"), "{table}");
    }

    #[test]
    fn the_table_says_what_is_over_budget() {
        let row = |what, added_micros, authorizer_micros| {
            let envoy_micros = 100.0 + added_micros;
            CpuRow { what, envoy_micros, authorizer_micros, added_micros, ratio: envoy_micros / 100.0 }
        };
        let rows = vec![row("none", 0.0, None), row(OURS, 90.0, None), row(AUTHZ, 300.0, Some(100.0))];
        let mut report = Report::new();
        report.envoy = Some(EnvoyCpu::Measured { envoy: "e".to_owned(), requests: 1, rows });
        report.instructions = Some(Instructions::not_counted("no valgrind"));
        let table = report.to_string();
        assert!(
            table.contains("Sallyport adds 30 % of what ext_authz, no-op adds; budget 20 %: OVER"),
            "{table}"
        );
        assert!(table.contains("4.00x") && table.contains("not counted: no valgrind"), "{table}");
    }
}
