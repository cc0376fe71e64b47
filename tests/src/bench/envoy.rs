//! CPU time per request in a real Envoy: without a filter, with the module, with a filter made with the SDK that does nothing, and
//! with `ext_authz` that is given the body.
//!
//! Five Envoys, one of them with the module and records that go to a companion, one worker each, same listener, same mutual TLS, same upstream, same request: a tool call of 1 KiB on
//! kept-alive connections. Rounds are short and interleaved, each set-up beginning in turn, so that a machine that changes its
//! speed changes it for all; what is added is the median of the differences within a round. The module's info log is off, as it is under Istio by default; `ext_authz` includes the authorizer's CPU time.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::keys::{self, SecretKey};
use sallyport_playground::client::{Client, Protocol};
use sallyport_playground::envoy::{AuthzService, Config, Envoy, ExtAuthz, Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_playground::upstream::{Answer, Upstream};
use sallyport_playground::{Body, Request, Response};

use super::authorizer::Authorizer;
use super::report::{AUTHZ, CpuRow, EnvoyCpu, OURS, RECORDED, SDK};
use super::subjects::{AUTHORITY, CALLER, SMALL, subjects};
use super::{cpu, load, taker};
use crate::wasm_host::Module;

/// How often every set-up is measured.
const ROUNDS: usize = 15;

/// Kept-alive connections, each with a caller who waits for each answer.
const CONNECTIONS: usize = 4;

/// Requests on each connection and round.
const REQUESTS: usize = 300;

/// How much of a body the authorizer is given: all of it.
const AUTHZ_BODY_BYTES: u32 = 64 << 10;

/// Where `scripts/build-module --noop` leaves the filter that does nothing.
const NOOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/noop.wasm");

/// One way to set Envoy up, running.
struct Contender {
    name: &'static str,
    envoy: Envoy,
    authorizer: Option<Authorizer>,
    clients: Vec<Client>,
    rounds: Vec<Round>,
}

/// CPU time of one round.
#[derive(Clone, Copy, Default)]
struct Round {
    envoy: Duration,
    authorizer: Duration,
}

/// Measures, or says why not.
pub(super) fn measure(bundle: &[u8]) -> Result<EnvoyCpu, Box<dyn Error>> {
    let program = Program::find(None)?;
    if let Program::Image(image) = &program {
        let why = format!("CPU time of an Envoy in the container image {image} is not seen from here");
        return Ok(EnvoyCpu::NotMeasured(why));
    }
    eprintln!("==> CPU per request in {program}: starting five Envoys");
    let ca = Ca::new("acme.internal")?;
    let upstream = Upstream::start(Answer::scripted(Response::new(200, "application/json", REPLY)))?;
    let mut contenders = contenders(&program, &ca, &upstream, bundle)?;
    let request = request()?;
    for round in 0..ROUNDS {
        eprint!("\r    round {} of {ROUNDS}", round + 1);
        for turn in 0..contenders.len() {
            let turn = (round + turn) % contenders.len();
            contenders.iter_mut().skip(turn).take(1).try_for_each(|contender| contender.round(&request))?;
        }
    }
    eprintln!();
    let baseline = contenders.first().map(|contender| contender.rounds.clone()).unwrap_or_default();
    let rows = contenders.iter().map(|contender| contender.row(&baseline)).collect();
    Ok(EnvoyCpu::Measured { envoy: program.to_string(), requests: ROUNDS * CONNECTIONS * REQUESTS, rows })
}

/// What the upstream answers.
pub(super) const REPLY: &str =
    r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"three documents"}]}}"#;

/// The set-ups; the first is what the others are compared with.
fn contenders(
    program: &Program,
    ca: &Ca,
    upstream: &Upstream,
    bundle: &[u8],
) -> Result<Vec<Contender>, Box<dyn Error>> {
    let config = || -> Result<Config, Box<dyn Error>> {
        let server = ca.mint_server("spiffe://acme.internal/gate")?;
        Ok(Config::new(program.clone(), server, ca, upstream.address()))
    };
    let configuration = program.fitted(serde_json::json!({"bundle": STANDARD.encode(bundle)}));
    let key = SecretKey::generate()?;
    let recorded = program.fitted(serde_json::json!({
        "bundle": STANDARD.encode(keys::sign(bundle, std::slice::from_ref(&key))?),
        "keys": [STANDARD.encode(key.public().ok_or("a key has no public part")?.to_bytes())],
        "companion": {"cluster": "companion", "authority": "companion.test"},
    }));
    let noop = Path::new(NOOP);
    if !noop.exists() {
        return Err(format!("there is no {NOOP}: scripts/build-module --noop makes it").into());
    }
    let module = Wasm { info_log: false, ..Wasm::new(Module::default_path(), configuration.to_string()) };
    let recording = Wasm { info_log: false, ..Wasm::new(Module::default_path(), recorded.to_string()) };
    let companion = Some(taker::start()?.into());
    let noop = Wasm { info_log: false, ..Wasm::new(noop, "") };
    let authorizer = Authorizer::start()?;
    let authz = ExtAuthz {
        authorizer: authorizer.address,
        service: AuthzService::Grpc,
        max_body_bytes: AUTHZ_BODY_BYTES,
    };
    Ok(vec![
        Contender::start("no filter", &config()?, ca, None)?,
        Contender::start(OURS, &Config { wasm: Some(module), ..config()? }, ca, None)?,
        Contender::start(RECORDED, &Config { wasm: Some(recording), companion, ..config()? }, ca, None)?,
        Contender::start(SDK, &Config { wasm: Some(noop), ..config()? }, ca, None)?,
        Contender::start(AUTHZ, &Config { ext_authz: Some(authz), ..config()? }, ca, Some(authorizer))?,
    ])
}

/// A tool call of 1 KiB.
pub(super) fn request() -> Result<Request, Box<dyn Error>> {
    let call =
        subjects().into_iter().find(|subject| subject.name == SMALL).ok_or("there is no such subject")?;
    let case = call.case.request;
    let request = Request::new(case.method, AUTHORITY, case.path);
    let request = case.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    Ok(request.body(Body::whole(case.message.body.unwrap_or_default())))
}

impl Contender {
    fn start(
        name: &'static str,
        config: &Config,
        ca: &Ca,
        authorizer: Option<Authorizer>,
    ) -> Result<Self, Box<dyn Error>> {
        let envoy = Envoy::start(config)?;
        let identity = ca.mint(&[CALLER])?;
        let client = || Client::new(envoy.address(), Protocol::Http1, ca, Some(&identity));
        let clients = (0..CONNECTIONS).map(|_| client()).collect::<Result<_, _>>()?;
        Ok(Self { name, envoy, authorizer, clients, rounds: Vec::new() })
    }

    fn round(&mut self, request: &Request) -> Result<(), Box<dyn Error>> {
        let authorizer = self.authorizer.as_ref().map(Authorizer::id);
        let read = || Ok((cpu::spent(self.envoy.id())?, authorizer.map_or(Ok(Duration::ZERO), cpu::spent)?));
        let (before, after) = load::drive(&self.clients, request, REQUESTS, read)
            .map_err(|error| format!("{}: {error}", self.name))?;
        let (envoy, authorizer) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
        self.rounds.push(Round { envoy, authorizer });
        Ok(())
    }

    fn row(&self, baseline: &[Round]) -> CpuRow {
        let of_rounds = |part: fn(&Round) -> f64| median(self.rounds.iter().map(part));
        let differences =
            self.rounds.iter().zip(baseline).map(|(round, other)| round.total() - other.total());
        CpuRow {
            what: self.name,
            envoy_micros: of_rounds(|round| per_request(round.envoy)),
            authorizer_micros: self
                .authorizer
                .as_ref()
                .map(|_| of_rounds(|round| per_request(round.authorizer))),
            added_micros: median(differences),
            ratio: median(
                self.rounds.iter().zip(baseline).map(|(round, other)| round.total() / other.total()),
            ),
        }
    }
}

impl Round {
    /// Microseconds per request, Envoy and authorizer together.
    fn total(&self) -> f64 {
        per_request(self.envoy + self.authorizer)
    }
}

fn per_request(round: Duration) -> f64 {
    round.as_secs_f64() * 1e6 / (CONNECTIONS * REQUESTS) as f64
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
