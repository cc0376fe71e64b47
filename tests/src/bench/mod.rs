//! `make bench`: what a decision costs, natively and in the module, and what it adds to a request in a real Envoy beside its
//! peers. Everything is measured in one run on one machine, so that the numbers can be compared with each other.
//!
//! ```text
//!  subjects ──► decisions     time per decision: engine, module in wasmtime
//!     │    └──► instructions  instructions per decision of the engine, counted by valgrind
//!     ├───────► envoy         CPU per request: no filter, the module, and peers that do nothing
//!     ├───────► scale         10 000 agents: compiling, loading, deciding
//!     ├───────► bundles       how fast policy reaches filters, and how many a companion serves
//!     │  audit       records that a companion makes durable
//!     └───────► soak          memory over a million requests (`make soak`)
//!  texts ─────► scan          megabytes a second: engine, V8, wasmtime, and libraries that look for the same
//! ```
//!
//! Budgets stand beside the numbers. A number over its budget is shown as such and is no error: machines differ.

mod audit;
pub mod authorizer;
mod bundles;
mod cpu;
mod decisions;
mod envoy;
pub mod instructions;
mod load;
mod report;
mod scale;
mod scan;
mod soak;
mod subjects;
mod taker;
mod texts;

use std::error::Error;
use std::path::Path;

use policy_compiler::report::Colour;

pub use bundles::resident;
pub use report::Report;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    All,
    /// Only decisions and instructions: seconds.
    Decisions,
    /// Only the real Envoy.
    Envoy,
    /// Only what many agents cost.
    Scale,
    /// Only how bundles reach filters.
    Bundles,
    /// Only how many records a companion makes durable.
    Audit,
    /// So many requests while policy changes every second. Not part of everything.
    Soak(u64),
    /// Only how fast texts are looked through.
    Scan,
}

/// The policy that everything is measured under: the example's.
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/tool-api/policy");

/// Measures. Progress goes to stderr.
pub fn run(part: Part) -> Result<Report, Box<dyn Error>> {
    let bundle = bundle()?;
    let mut report = Report::new();
    if matches!(part, Part::All | Part::Decisions) {
        eprintln!("==> decisions, natively and in wasm");
        report.decisions = decisions::measure(&bundle)?;
        eprintln!("==> instructions per decision");
        report.instructions = Some(instructions::measure(&bundle)?);
    }
    if matches!(part, Part::All | Part::Scan) {
        eprintln!("==> looking through texts, natively, in V8, in wasmtime, and beside others");
        report.scan = Some(scan::measure()?);
    }
    if matches!(part, Part::All | Part::Scale) {
        report.scale = scale::measure()?;
    }
    if matches!(part, Part::All | Part::Envoy) {
        report.envoy = Some(envoy::measure(&bundle)?);
    }
    if matches!(part, Part::All | Part::Bundles) {
        report.scale.extend(bundles::measure(&bundle)?);
    }
    if matches!(part, Part::All | Part::Audit) {
        report.scale.extend(audit::measure()?);
    }
    if let Part::Soak(requests) = part {
        report.scale.extend(soak::measure(&bundle, requests)?);
    }
    Ok(report)
}

fn bundle() -> Result<Vec<u8>, Box<dyn Error>> {
    let (bundle, report) = policy_compiler::load_bundle(Path::new(POLICY));
    bundle.ok_or_else(|| report.text(Colour::Never).into())
}
