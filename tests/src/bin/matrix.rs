//! What one Envoy does with the corpus, and what the module costs it: a line of JSON for `scripts/envoy-matrix`.
//!
//! A proxy that does not show certificates is given `identity: firstUriSan`, as the chart does. There, cases of callers with several URI
//! SANs are counted apart: such a proxy cannot refuse them.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::decide;
use sallyport_playground::envoy::{Config, Envoy, Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_playground::upstream::{Answer, Upstream};
use sallyport_tests::bench::resident;
use sallyport_tests::envoy_runner::EnvoyRunner;
use sallyport_tests::suites::{Suite, suites};
use sallyport_tests::wasm_host::Module;
use serde_json::{Value, json};

/// How often Envoy is started with the module and without; the median counts.
const STARTS: usize = 5;

fn main() -> ExitCode {
    match row() {
        Ok(row) => {
            println!("{row}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn row() -> Result<Value, Box<dyn Error>> {
    let program = Program::find(None)?;
    let suites = suites()?;
    let first = suites.first().ok_or("there is no suite")?;
    let with = cost(&program, Some(&first.bundle))?;
    let without = cost(&program, None)?;
    let mut counts = Counts::default();
    for mut suite in suites {
        counts.apart += suite.leave_out_what_is_not_shown(&program);
        counts.add(&suite)?;
    }
    let version = program.version().ok_or("this Envoy does not say its version")?;
    Ok(json!({
        "version": version.map(|number| number.to_string()).join("."),
        "passed": counts.passed,
        "apart": counts.apart,
        "failed": counts.failed,
        "start_ms": (with.milliseconds - without.milliseconds).max(0.0).round(),
        "memory_kib": with.kibibytes.saturating_sub(without.kibibytes),
    }))
}

#[derive(Default)]
struct Counts {
    passed: usize,
    /// Cases that depend on what such a proxy does not show.
    apart: usize,
    /// The names of the cases that failed.
    failed: Vec<String>,
}

impl Counts {
    fn add(&mut self, suite: &Suite) -> Result<(), Box<dyn Error>> {
        let mut envoy = EnvoyRunner::start(&suite.bundle)?;
        for case in &suite.cases {
            let mut notes = Vec::new();
            if decide::run_all(&mut envoy, std::slice::from_ref(case), &mut Vec::new(), &mut notes)? {
                self.passed += 1;
            } else {
                eprint!("{}", String::from_utf8_lossy(&notes));
                self.failed.push(format!("{}: {}", suite.name, case.name));
            }
        }
        Ok(())
    }
}

/// What a start takes, and the memory after it.
struct Cost {
    milliseconds: f64,
    kibibytes: u64,
}

fn cost(program: &Program, bundle: Option<&[u8]>) -> Result<Cost, Box<dyn Error>> {
    let mut starts = (0..STARTS).map(|_| start(program, bundle)).collect::<Result<Vec<_>, _>>()?;
    starts.sort_by(|a, b| a.milliseconds.total_cmp(&b.milliseconds));
    Ok(starts.swap_remove(STARTS / 2))
}

/// Starts Envoy until it answers, with one worker.
fn start(program: &Program, bundle: Option<&[u8]>) -> Result<Cost, Box<dyn Error>> {
    let ca = Ca::new("acme.internal")?;
    let upstream = Upstream::start(Answer::Echo)?;
    let server = ca.mint_server("spiffe://acme.internal/gate")?;
    let mut config = Config::new(program.clone(), server, &ca, upstream.address());
    config.concurrency = 1;
    config.wasm = bundle.map(|bundle| {
        let configuration = program.fitted(json!({"bundle": STANDARD.encode(bundle)}));
        Wasm::new(Module::default_path(), configuration.to_string())
    });
    let began = Instant::now();
    let envoy = Envoy::start(&config)?;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    Ok(Cost { milliseconds, kibibytes: resident(envoy.id())? })
}
