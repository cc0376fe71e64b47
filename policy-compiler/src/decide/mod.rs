//! `decide`: puts cases to a gate and prints what it did, one JSON object a line.
//!
//! What the gate *is* differs: the engine itself, the module in wasmtime, a real Envoy. Each is a [`Runner`]; arguments,
//! output, comparison and exit codes are the same for all and live here.

mod judge;
mod output;

pub use judge::differences;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};
use serde::{Deserialize, Serialize};

use crate::cases::{self, Case};
use crate::exit;
use crate::report::{Colour, Report};

/// Something that cases can be put to.
pub trait Runner {
    /// Hears that a case begins: its clock, and the counters of limits, which start at zero.
    fn begin(&mut self, _: &Case) -> Result<(), Box<dyn Error>> {
        Ok(())
    }

    /// Runs one exchange. An error means that the gate could not be asked or its answer not be understood; a denial is no
    /// error.
    fn run(&mut self, case: &Case) -> Result<Observed, Box<dyn Error>>;
}

/// What was seen of one exchange from outside the gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The record that the gate made of it.
    pub record: Record,
    /// The request body as the upstream received it, empty for none; `None` if the request did not reach the upstream.
    pub forwarded: Option<Vec<u8>>,
    /// The request headers as the upstream received them, names in lower case, `:method`, `:path` and `:authority` first;
    /// `None` as above.
    pub headers: Option<Vec<(String, Vec<u8>)>>,
    /// The body that the client received, be it the upstream's or the gate's own reply; `None` if the connection ended
    /// without one.
    pub returned: Option<Vec<u8>>,
    /// The trailers that the client received behind it, names in lower case.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// The status that the client received.
    pub status: u16,
}

/// The gate's record of one exchange: the JSON that the filter logs and leaves in filter state.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// `allow`, `deny`, `hold` or `redact`.
    pub verdict: String,
    /// The reason code; `allowed` for an exchange that passed.
    pub reason: String,
    /// The serial of the policy; none where there is no policy.
    pub serial: Option<u64>,
    /// The status of the gate's reply, or the upstream's.
    pub status: Option<u16>,
    /// The agent that the caller is.
    pub agent: Option<String>,
    /// The mission whose rule decided.
    pub mission: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// `observe` where refusals were only noted, else `enforce`.
    pub mode: String,
    /// The verdict that there would have been, had everything been enforced.
    pub enforced: String,
    /// What was asked for, as in `mcp tools/call search_docs`.
    pub operation: Option<String>,
    /// What the detectors found, as far as a record has room for it.
    pub findings: Vec<Finding>,
    /// How many findings it has no room for.
    pub findings_unlisted: u32,
    /// The caller's SPIFFE ID.
    pub caller: Option<String>,
    /// `mcp` or `http`.
    pub protocol: Option<String>,
    /// How many bytes of request body were seen.
    pub request_bytes: u64,
    /// How many bytes of response body were seen.
    pub response_bytes: u64,
    /// When the exchange ended, in milliseconds since 1970; none where there was no clock.
    pub time: Option<u64>,
    /// How long request and response were looked at, in microseconds; none where there was no clock.
    pub decision_micros: Option<u64>,
    /// The proxy's own name.
    pub workload: Option<String>,
    /// Whom the request was for.
    pub destination: Option<String>,
    /// The trace that the request belongs to.
    pub trace_id: Option<String>,
    /// What the proxy calls the request.
    pub request_id: Option<String>,
}

/// One thing that a detector found: where, never what.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The detector's id.
    pub detector: String,
    /// Which part of the exchange.
    pub r#where: String,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
    /// What was done about it.
    pub action: String,
}

/// The arguments of `decide`, `decide-wasm` and `decide-envoy`.
#[derive(Args, Debug)]
pub struct DecideArgs {
    /// The policy: a directory, a file, or a compiled bundle
    #[arg(long, value_name = "PATH")]
    pub policy: PathBuf,
    /// Case files, or directories of them
    #[arg(value_name = "CASE", required = true)]
    pub cases: Vec<PathBuf>,
}

/// The whole command line of a runner that is a program of its own.
#[derive(Debug, Parser)]
#[command(about = "Puts cases to the gate and prints what it did, one JSON object a line", after_help = exit::HELP)]
struct CommandLine {
    #[command(flatten)]
    decide: DecideArgs,
}

/// The `main` of a program that does nothing but decide. `make_runner` gets the encoded bundle.
pub fn main_with<R: Runner>(
    args: impl IntoIterator<Item = OsString>,
    make_runner: impl FnOnce(&[u8]) -> Result<R, Box<dyn Error>>,
) -> ExitCode {
    match CommandLine::try_parse_from(args) {
        Ok(line) => decide(&line.decide, make_runner),
        Err(error) => exit::usage(&error),
    }
}

/// Reads policy and cases, runs the cases and prints what was seen.
pub fn decide<R: Runner>(
    args: &DecideArgs,
    make_runner: impl FnOnce(&[u8]) -> Result<R, Box<dyn Error>>,
) -> ExitCode {
    let (bundle, policy) = crate::compile::load_bundle(&args.policy);
    let (cases, report) = cases::load(&args.cases);
    let bad = policy.has_errors() || report.has_errors();
    show(&policy);
    show(&report);
    let Some(bundle) = bundle.filter(|_| !bad) else { return exit::BAD_INPUT.into() };
    let mut runner = match make_runner(&bundle) {
        Ok(runner) => runner,
        Err(error) => {
            eprintln!("error: the gate can not be started: {error}");
            return exit::BAD_INPUT.into();
        }
    };
    match run_all(&mut runner, &cases, &mut io::stdout().lock(), &mut io::stderr().lock()) {
        Ok(true) => exit::OK.into(),
        Ok(false) => exit::FINDINGS.into(),
        Err(error) => {
            eprintln!("error: the results can not be written: {error}");
            exit::BAD_INPUT.into()
        }
    }
}

/// Runs cases in order; says whether all that expect something got it. Results go to `out`, differences to `notes`.
pub fn run_all(
    runner: &mut impl Runner,
    cases: &[Case],
    out: &mut impl Write,
    notes: &mut impl Write,
) -> io::Result<bool> {
    let (mut passed, mut failed, mut shown) = (0_usize, 0_usize, 0_usize);
    for case in cases {
        let outcome = put(runner, case);
        let wrong = match &outcome {
            Ok(observed) => differences(case, observed),
            Err(error) => vec![format!("could not be run: {error}")],
        };
        let pass = (case.expect.is_some() || outcome.is_err()).then_some(wrong.is_empty());
        match pass {
            Some(true) => passed += 1,
            Some(false) => failed += 1,
            None => shown += 1,
        }
        output::line(out, case, outcome.as_ref().ok(), pass)?;
        if !wrong.is_empty() {
            writeln!(notes, "failed: {} ({})", case.name, case.place)?;
            wrong.iter().try_for_each(|difference| writeln!(notes, "  {difference}"))?;
        }
    }
    let rest = if shown > 0 { format!(", {shown} without expectations") } else { String::new() };
    writeln!(notes, "{passed} passed, {failed} failed{rest}")?;
    Ok(failed == 0)
}

/// Puts a case to the gate as often as it says; the last time is what counts.
fn put(runner: &mut impl Runner, case: &Case) -> Result<Observed, Box<dyn Error>> {
    rehearse(runner, case)?;
    runner.run(case)
}

/// Puts a case to the gate as often as it says, but for the last time.
pub(crate) fn rehearse(runner: &mut impl Runner, case: &Case) -> Result<(), Box<dyn Error>> {
    runner.begin(case)?;
    (1..case.repeat).try_for_each(|_| runner.run(case).map(|_| ()))
}

fn show(report: &Report) {
    eprint!("{}", report.text(Colour::for_stream(&io::stderr())));
}
