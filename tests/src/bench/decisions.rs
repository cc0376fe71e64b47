//! Time per decision.
//!
//! Times are taken over batches of decisions, because a clock that ticks in tens of nanoseconds is too coarse for
//! one; percentiles are those of batch means. A batch during which the scheduler gave the processor to somebody else is thrown
//! away: it would time the neighbours. Only what the gate does is timed: in the engine from the head's pairs to the
//! step, in the module the time inside its callbacks, host calls included, from the creation of the context to the verdict.

use std::error::Error;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use policy_compiler::decide::Runner;
use sallyport_engine::http::{Head, HeaderPair};
use sallyport_engine::identity::Peer;
use sallyport_engine::{End, Exchange, Nowhere, Policy, Step, bundle};

use super::report::Decision;
use super::subjects::{Effort, Subject, subjects};
use crate::wasm_host::{HttpExchange, Vm};
use crate::wasm_runner::WasmRunner;

/// For each sample that counts, how many are thrown away first: one in so many.
const WARM_UP: usize = 10;

/// A request in the form that the filter hands to the engine.
pub(super) struct Prepared {
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    peers: Vec<Vec<u8>>,
    body: Option<Vec<u8>>,
}

/// Measures every subject in the engine and in the module.
pub(super) fn measure(bundle: &[u8]) -> Result<Vec<Decision>, Box<dyn Error>> {
    let policy = policy(bundle)?;
    let mut wasm = WasmRunner::start(bundle)?;
    let mut decisions = Vec::new();
    for subject in subjects() {
        let prepared = Prepared::new(&subject);
        let effort = subject.effort;
        let native = sample(effort, || timed(effort, || prepared.decide(&policy)))?;
        decisions.push(Decision::new(subject.name, "engine, native", &native, None));
        let exchange = exchange(&mut wasm, &subject)?;
        let module = sample(effort, || in_module(wasm.vm(), effort, &exchange, |cost| cost.decision))?;
        decisions.push(Decision::new(subject.name, "module, wasmtime", &module, subject.budget));
        let whole = sample(effort, || in_module(wasm.vm(), effort, &exchange, |cost| cost.total))?;
        decisions.push(Decision::new(subject.name, "module, whole exchange", &whole, None));
    }
    Ok(decisions)
}

/// Loads a bundle as the filter does.
pub(super) fn policy(bundle: &[u8]) -> Result<Rc<Policy>, Box<dyn Error>> {
    Ok(Rc::new(bundle::decode(bundle)?))
}

impl Prepared {
    pub(super) fn new(subject: &Subject) -> Self {
        let request = &subject.case.request;
        let pseudo =
            [(":authority", &request.authority), (":path", &request.path), (":method", &request.method)];
        let pseudo =
            pseudo.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone().into_bytes()));
        let scheme = (b":scheme".to_vec(), b"https".to_vec());
        let others = request.headers.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone()));
        Self {
            headers: pseudo.chain([scheme]).chain(others).collect(),
            peers: request.peers.iter().flatten().map(|peer| peer.clone().into_bytes()).collect(),
            body: request.message.body.clone(),
        }
    }

    /// One decision. The request is an allowed one: anything else is a mistake in the measurement.
    pub(super) fn decide(&self, policy: &Rc<Policy>) -> Result<(), Box<dyn Error>> {
        let pairs: Vec<HeaderPair<'_>> =
            self.headers.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
        let peers: Vec<&[u8]> = self.peers.iter().map(Vec::as_slice).collect();
        let mut exchange = Exchange::new(Some(Rc::clone(policy)), Rc::new(Nowhere));
        let end = if self.body.is_none() { End::Last } else { End::More };
        let head = exchange.request_head(&Head::new(&pairs), &Peer::Verified(&peers), end);
        let step = match (head.step, &self.body) {
            (Step::Hold, Some(body)) => exchange.request_body(body),
            (step, _) => step,
        };
        match black_box(step) {
            Step::Forward => Ok(()),
            other => Err(format!("the engine does not allow what is measured: {other:?}").into()),
        }
    }
}

/// The subject as an exchange of one long-lived connection, checked to be allowed.
fn exchange(wasm: &mut WasmRunner, subject: &Subject) -> Result<HttpExchange, Box<dyn Error>> {
    let record = wasm.run(&subject.case)?.record;
    if record.verdict != "allow" {
        return Err(format!("the module does not allow what is measured: {}", record.reason).into());
    }
    let mut exchange = wasm.exchange(&subject.case)?;
    exchange.connection = Some(1);
    Ok(exchange)
}

fn in_module(
    vm: &mut Vm,
    effort: Effort,
    exchange: &HttpExchange,
    part: impl Fn(crate::wasm_host::Cost) -> Duration,
) -> Result<Duration, Box<dyn Error>> {
    let mut spent = Duration::ZERO;
    for _ in 0..effort.batch {
        spent += part(vm.exchange(exchange)?.cost);
    }
    Ok(spent / effort.batch)
}

fn timed(
    effort: Effort,
    decide: impl Fn() -> Result<(), Box<dyn Error>>,
) -> Result<Duration, Box<dyn Error>> {
    let began = Instant::now();
    for _ in 0..effort.batch {
        decide()?;
    }
    Ok(began.elapsed() / effort.batch)
}

/// Batch means in microseconds, sorted.
pub(super) struct Samples {
    pub(super) sorted: Vec<f64>,
    /// How many batches were thrown away.
    pub(super) interrupted: usize,
}

fn sample(
    effort: Effort,
    mut one: impl FnMut() -> Result<Duration, Box<dyn Error>>,
) -> Result<Samples, Box<dyn Error>> {
    for _ in 0..effort.samples / WARM_UP {
        one()?;
    }
    let mut samples = Samples { sorted: Vec::with_capacity(effort.samples), interrupted: 0 };
    while samples.sorted.len() < effort.samples {
        let before = interruptions()?;
        let mean = one()?.as_secs_f64() * 1e6;
        if interruptions()? == before {
            samples.sorted.push(mean);
        } else {
            samples.interrupted += 1;
        }
        if samples.interrupted > effort.samples.max(1_000) {
            return Err(
                "this machine is too busy to measure on: more batches are interrupted than not".into()
            );
        }
    }
    samples.sorted.sort_by(f64::total_cmp);
    Ok(samples)
}

/// How often the scheduler took the processor away from this thread.
fn interruptions() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/thread-self/status")?;
    let count = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    Ok(count.ok_or("this kernel does not count context switches")?.trim().parse()?)
}
