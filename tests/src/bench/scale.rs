//! What many agents cost: to compile, to load, and to decide under.
//!
//! Decisions under few and under many are timed in turn, batch by batch, so that a machine that changes its speed changes both; the
//! figure is the ratio of the medians. Callers are spread over all agents.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::report::Colour;
use sallyport_engine::{Policy, bundle};

use super::decisions::Prepared;
use super::report::ScaleRow;
use super::subjects::{AUTHORITY, SMALL, subjects};
use crate::wasm_host::{Module, Vm};

const FEW: usize = 10;
const MANY: usize = 10_000;
/// Rules of each mission where agents are many.
const RULES: usize = 20;
/// Missions that agents share, where they do.
const SHARED: usize = 100;

/// How often a compilation and a load are timed; the fastest counts.
const TRIES: usize = 3;
/// Batches of decisions, decisions in each, and how many different callers make them.
const BATCHES: usize = 1_500;
const BATCH: usize = 16;
const CALLERS: usize = 64;

const BUDGET_COMPILE_MS: f64 = 1_000.0;
const BUDGET_LOAD_MS: f64 = 20.0;
const BUDGET_RATIO: f64 = 1.2;

/// Files stay well below what the compiler reads of one.
const FILE_BYTES: usize = 3 << 20;

/// A policy to write: how many agents, how they are known, and what they may do.
#[derive(Clone, Copy)]
struct Shape {
    agents: usize,
    missions: usize,
    rules: usize,
    /// Whether agents are known by patterns of SPIFFE IDs instead of by exact ones.
    patterns: bool,
}

/// Measures everything; progress goes to stderr.
pub(super) fn measure() -> Result<Vec<ScaleRow>, Box<dyn Error>> {
    let many = Shape { agents: MANY, missions: SHARED, rules: RULES, patterns: false };
    let mut rows = Vec::new();
    eprintln!("==> compiling and loading policy for {MANY} agents");
    let module = Module::load(&Module::default_path())?;
    for (what, shape, budget) in [
        ("sharing 100 missions of 20 rules", many, Some(BUDGET_LOAD_MS)),
        ("with 20 rules each of their own", Shape { missions: MANY, ..many }, None),
    ] {
        let (bundle, spent) = shape.compile()?;
        rows.push(ScaleRow::new(
            format!("compile 10 000 agents {what}"),
            millis(spent),
            "ms",
            Some(BUDGET_COMPILE_MS),
        ));
        rows.push(ScaleRow::new(
            "   bytes of bundle for each".to_owned(),
            bundle.len() as f64 / MANY as f64,
            "B",
            None,
        ));
        let (spent, memory) = load(&module, &bundle)?;
        rows.push(ScaleRow::new("   load in the module, wasmtime".to_owned(), millis(spent), "ms", budget));
        rows.push(ScaleRow::new(
            "   memory of the VM then".to_owned(),
            memory as f64 / f64::from(1 << 20),
            "MiB",
            None,
        ));
    }
    let one = Shape { agents: FEW, missions: 1, rules: MANY, patterns: false };
    let what = "compile 10 000 rules of one mission".to_owned();
    rows.push(ScaleRow::new(what, millis(one.compile()?.1), "ms", None));
    eprintln!("==> decisions under few and under many");
    for (what, few, many) in [
        ("agents by exact ID", Shape { agents: FEW, ..many }, many),
        (
            "agents by pattern",
            Shape { agents: FEW, patterns: true, ..many },
            Shape { patterns: true, ..many },
        ),
        ("rules in one mission", Shape { rules: FEW, ..one }, one),
    ] {
        let (few, many) = compare(few, many)?;
        rows.push(ScaleRow::new(format!("decision, 10 000 {what}"), many, "µs", None));
        rows.push(ScaleRow::new("   beside 10".to_owned(), many / few, "x", Some(BUDGET_RATIO)));
    }
    Ok(rows)
}

/// The time from a started process to a module that has the bundle in force, and the memory that it then has.
fn load(module: &Module, bundle: &[u8]) -> Result<(Duration, usize), Box<dyn Error>> {
    let configuration = serde_json::json!({"bundle": STANDARD.encode(bundle)}).to_string();
    let mut fastest = (Duration::MAX, 0);
    for _ in 0..TRIES {
        let began = Instant::now();
        let vm = Vm::start(module, &configuration)?;
        let spent = began.elapsed();
        if let Some(refused) = vm.start_log().iter().find(|line| line.message.contains("denies everything")) {
            return Err(format!("the module refuses what is measured: {}", refused.message).into());
        }
        fastest = fastest.min((spent, vm.memory_bytes()));
    }
    Ok(fastest)
}

/// Microseconds per decision under each of two policies.
fn compare(few: Shape, many: Shape) -> Result<(f64, f64), Box<dyn Error>> {
    let (few, many) = (Side::new(few)?, Side::new(many)?);
    let mut times = (Vec::with_capacity(BATCHES), Vec::with_capacity(BATCHES));
    for batch in 0..BATCHES {
        times.0.push(few.time(batch)?);
        times.1.push(many.time(batch)?);
    }
    Ok((median(times.0), median(times.1)))
}

/// A policy and requests of some of its agents.
struct Side {
    policy: Rc<Policy>,
    callers: Vec<Prepared>,
}

impl Side {
    fn new(shape: Shape) -> Result<Self, Box<dyn Error>> {
        let (bundle, _) = shape.compile()?;
        let callers = shape.agents.min(CALLERS);
        let caller = |number: usize| {
            let mut call = subjects().into_iter().find(|subject| subject.name == SMALL)?;
            call.case.request.peers = Some(vec![shape.identity(number * shape.agents / callers, "7")]);
            Some(Prepared::new(&call))
        };
        let callers = (0..callers).map(caller).collect::<Option<_>>().ok_or("there is no such subject")?;
        Ok(Self { policy: super::decisions::policy(&bundle)?, callers })
    }

    fn time(&self, batch: usize) -> Result<f64, Box<dyn Error>> {
        let callers = self.callers.iter().cycle().skip(batch * BATCH % self.callers.len());
        let began = Instant::now();
        callers.take(BATCH).try_for_each(|caller| caller.decide(&self.policy))?;
        Ok(began.elapsed().as_secs_f64() * 1e6 / BATCH as f64)
    }
}

/// The policy of so many agents that share missions, as a bundle.
pub(super) fn bundle_of(agents: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let shape = Shape { agents, missions: SHARED.min(agents), rules: RULES, patterns: false };
    Ok(shape.compile()?.0)
}

// === the policy ===

impl Shape {
    /// Compiles the policy from files, as a user does; the fastest time, from the files to the bundle.
    fn compile(self) -> Result<(Vec<u8>, Duration), Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        self.write(directory.path())?;
        let mut fastest: Option<(Vec<u8>, Duration)> = None;
        for _ in 0..TRIES {
            let began = Instant::now();
            let (policy, report) = policy_compiler::compile(&[directory.path().to_owned()]);
            let bundle = bundle::encode(&policy.ok_or_else(|| report.text(Colour::Never))?)?;
            let spent = began.elapsed();
            if fastest.as_ref().is_none_or(|(_, before)| spent < *before) {
                fastest = Some((bundle, spent));
            }
        }
        fastest.ok_or_else(|| "nothing was timed".into())
    }

    fn write(self, directory: &Path) -> Result<(), Box<dyn Error>> {
        let mut text = format!(
            "{HEAD}kind: TrustDomain\nmetadata: {{name: acme.internal}}\n---\n{HEAD}kind: Service\nmetadata: {{name: tool-api}}\nspec:\n  \
             hosts: [{AUTHORITY}]\n  routes:\n    - path: /mcp\n      protocol: mcp\n    - path: /**\n      protocol: http\n"
        );
        let mut files = 0;
        for number in 0..self.agents.max(self.missions) {
            if number < self.missions {
                self.mission(number, &mut text)?;
            }
            if number < self.agents {
                let (identity, mission) = (self.identity(number, "*"), number % self.missions);
                write!(
                    text,
                    "---\n{HEAD}kind: Agent\nmetadata:\n  name: agent-{number:05}\nspec:\n  identities:\n    - {identity}\n  \
                     missions: [mission-{mission:05}]\n"
                )?;
            }
            if text.len() > FILE_BYTES {
                std::fs::write(directory.join(format!("{files:03}.yaml")), &text)?;
                files += 1;
                text.clear();
            }
        }
        Ok(std::fs::write(directory.join(format!("{files:03}.yaml")), &text)?)
    }

    /// A mission whose middle rule allows the call that is measured.
    fn mission(self, number: usize, text: &mut String) -> std::fmt::Result {
        write!(text, "---\n{HEAD}kind: Mission\nmetadata:\n  name: mission-{number:05}\nspec:\n  allow:\n")?;
        for rule in 0..self.rules {
            write!(text, "    - name: rule-{rule:05}\n      service: tool-api\n")?;
            if rule == self.rules / 2 {
                writeln!(text, "      mcp:\n        tools: [search_docs]")?;
            } else if rule % 2 == 0 {
                writeln!(text, "      mcp:\n        tools: [tool_{number}_{rule}, fetch_{rule}]")?;
            } else {
                writeln!(
                    text,
                    "      http:\n        methods: [GET]\n        paths: [\"/m{number}/r{rule}/{{id}}\"]"
                )?;
            }
        }
        Ok(())
    }

    /// The SPIFFE ID of an agent; where agents are known by patterns, with `end` behind.
    fn identity(self, number: usize, end: &str) -> String {
        let end = if self.patterns { format!("-{end}") } else { String::new() };
        format!("spiffe://acme.internal/ns/agents/sa/agent-{number:05}{end}")
    }
}

const HEAD: &str = "apiVersion: sallyport.dev/v1\n";

fn millis(spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_caller_may_call_whatever_the_shape() {
        let shape = Shape { agents: 7, missions: 3, rules: 5, patterns: false };
        for shape in [shape, Shape { patterns: true, ..shape }, Shape { missions: 7, rules: 1, ..shape }] {
            assert!(Side::new(shape).unwrap().time(0).unwrap() > 0.0);
        }
    }
}
