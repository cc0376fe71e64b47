//! The runner that puts cases to the module in a real Envoy, over real mutual TLS.
//!
//! One Envoy serves all cases of a policy. Each case gets a certificate with just the URI SANs it names (or none), a
//! connection of its own, and an upstream that answers as the case says. A case that cannot be put on the wire as it
//! stands, or that Envoy refuses before the module sees it, is an error of that case.

mod wire;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::cases::Case;
use policy_compiler::decide::{Observed, Runner};
use sallyport_engine::bundle;
use sallyport_playground::Response;
use sallyport_playground::client::{Client, Protocol};
use sallyport_playground::envoy::{ClientCertificates, Config, Envoy, Hold, LogLine, Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_playground::upstream::{Answer, Seen, Upstream};

use crate::wasm_host::Module;

/// The trust domain of the CA. It signs SPIFFE IDs of any trust domain: which one is accepted is for the module to say.
const TRUST_DOMAIN: &str = "acme.internal";

/// How long a record may take to appear after the response did.
const RECORD_PATIENCE: Duration = Duration::from_secs(2);

/// How long a request that Envoy says it sent may take to show up at the upstream.
const UPSTREAM_PATIENCE: Duration = Duration::from_secs(2);

/// How long an exchange may take in all: the largest bodies are tens of megabytes.
const EXCHANGE_PATIENCE: Duration = Duration::from_secs(30);

/// Envoy's own count of requests that it sent on.
const SENT_ON: &str = "cluster.upstream.upstream_rq_total";

/// A real Envoy under one policy.
#[derive(Debug)]
pub struct EnvoyRunner {
    ca: Ca,
    envoy: Envoy,
    upstream: Upstream,
    clients: HashMap<(Option<Vec<String>>, Protocol), Client>,
    bundle: Vec<u8>,
    /// Where the module's clock stands still.
    at: Option<SystemTime>,
    hold: Hold,
    /// Whether policy has limits at all.
    limited: bool,
    /// Whether a case may have counted towards them.
    counted: bool,
}

// === impl EnvoyRunner ===

impl EnvoyRunner {
    /// Starts Envoy with the module (`$SALLYPORT_MODULE`, or `target/sallyport.wasm`) under an encoded bundle, and makes
    /// sure that the module took it.
    pub fn start(bundle: &[u8]) -> Result<Self, Box<dyn Error>> {
        Self::start_at(bundle, None, Hold::Body)
    }

    /// The same, with the headers of requests and responses held until their bodies are judged.
    pub fn start_holding_heads(bundle: &[u8]) -> Result<Self, Box<dyn Error>> {
        Self::start_at(bundle, None, Hold::Headers)
    }

    /// The same, with the module's clock standing still where that is asked for.
    fn start_at(bundle: &[u8], at: Option<SystemTime>, hold: Hold) -> Result<Self, Box<dyn Error>> {
        let ca = Ca::new(TRUST_DOMAIN)?;
        let upstream = Upstream::start(Answer::Echo)?;
        let server = ca.mint_server(&format!("spiffe://{TRUST_DOMAIN}/gate"))?;
        let program = Program::find(None)?;
        let configuration = program.fitted(plugin_configuration(bundle, at, hold)).to_string();
        let mut config = Config::new(program, server, &ca, upstream.address());
        config.client_certificates = ClientCertificates::Requested;
        let wasm = Wasm::new(Module::default_path(), configuration);
        config.wasm = Some(Wasm { hold, ..wasm });
        let envoy = Envoy::start(&config)?;
        let loaded = envoy.stats("sallyport_policy_loaded")?;
        if !loaded.values().any(|value| *value == 1) {
            let lines = envoy.log().into_iter().filter(|line| line.component == "wasm");
            let told: String = lines.map(|line| format!("\n  {line}")).collect();
            return Err(format!("the module does not accept the bundle:{told}").into());
        }
        let policy = bundle::decode(bundle)?;
        let mut rules = policy.parts().missions.iter().flat_map(|mission| &mission.rules);
        let limited = rules.any(|rule| rule.limit.is_some());
        let (bundle, clients) = (bundle.to_vec(), HashMap::new());
        Ok(Self { ca, envoy, upstream, clients, bundle, at, hold, limited, counted: false })
    }

    fn client(&mut self, peers: &Option<Vec<String>>, protocol: Protocol) -> Result<&Client, Box<dyn Error>> {
        let key = (peers.clone(), protocol);
        if !self.clients.contains_key(&key) {
            let identity = peers.as_ref().map(|names| self.ca.mint(names)).transpose()?;
            let client = Client::new(self.envoy.address(), protocol, &self.ca, identity.as_ref())?;
            self.clients.insert(key.clone(), client.timeout(EXCHANGE_PATIENCE).resume_sessions());
        }
        self.clients.get(&key).ok_or_else(|| "no client".into())
    }

    /// The record of the exchange just ended.
    fn record(&self, response: &Response) -> Result<String, Box<dyn Error>> {
        let Some(record) = self.envoy.next_record(RECORD_PATIENCE) else {
            return Err(self.no_record(response).into());
        };
        match self.envoy.next_record(Duration::ZERO) {
            None => Ok(record),
            Some(_) => Err("the module made two records of one exchange".into()),
        }
    }

    /// Why there may be none: the module failed, and then Envoy's log says so, or never saw the request.
    fn no_record(&self, response: &Response) -> String {
        let failed =
            |line: &&LogLine| line.component == "wasm" && matches!(line.level.as_str(), "error" | "critical");
        let why = self.envoy.log().iter().rfind(failed).map_or_else(
            || "Envoy refuses such a request before its filters see it".to_owned(),
            |line| format!("the last failure in Envoy's log is: {}", line.message),
        );
        format!("Envoy answered {} and the module made no record: {why}", response.status)
    }

    /// The request as the upstream got it; `None` if Envoy sent nothing on since it had sent `before` requests.
    fn forwarded(&self, before: u64) -> Result<Option<Seen>, Box<dyn Error>> {
        // Envoy counts before it sends, so its count, unlike a look at the upstream, cannot come too early.
        let sent = self.count_sent_on()?.saturating_sub(before);
        let arrived = sent == 0 || self.upstream.wait_for(1, UPSTREAM_PATIENCE);
        if let Some(fault) = self.upstream.faults().into_iter().next() {
            return Err(format!("the upstream could not tell what it got: {fault}").into());
        }
        let mut seen = self.upstream.take();
        match (sent, seen.len(), arrived) {
            (0, 0, _) => Ok(None),
            (1, 1, true) => Ok(seen.pop()),
            (sent, seen, _) => {
                Err(format!("Envoy sent {sent} requests on, and of {seen} that reached the upstream not every one was whole").into())
            }
        }
    }

    fn count_sent_on(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.envoy.stats(SENT_ON)?.get(SENT_ON).copied().unwrap_or(0))
    }

    /// A case before this one may have ended in an error and left something behind.
    fn forget(&self) {
        while self.envoy.next_record(Duration::ZERO).is_some() {}
        drop((self.upstream.take(), self.upstream.faults()));
    }
}

impl Runner for EnvoyRunner {
    /// Another clock, and counters at zero, need another Envoy.
    fn begin(&mut self, case: &Case) -> Result<(), Box<dyn Error>> {
        if case.at != self.at || (self.limited && self.counted) {
            *self = Self::start_at(&self.bundle, case.at, self.hold)?;
        }
        self.counted = true;
        Ok(())
    }

    fn run(&mut self, case: &Case) -> Result<Observed, Box<dyn Error>> {
        self.forget();
        let before = self.count_sent_on()?;
        let (request, protocol) = wire::request(&case.request)?;
        self.upstream.answer_with(wire::answer(&case.response));
        let response = self.client(&case.request.peers, protocol)?.send(&request)?;
        let record = self.record(&response)?;
        let record =
            serde_json::from_str(&record).map_err(|error| format!("the record is not as agreed: {error}"))?;
        let seen = self.forwarded(before)?;
        Ok(Observed {
            record,
            headers: seen.as_ref().map(|seen| wire::headers(seen, &case.request)),
            forwarded: seen.map(|seen| seen.body),
            trailers: wire::pairs(&response.trailers),
            returned: Some(response.body),
            status: response.status,
        })
    }
}

/// What a `WasmPlugin` would carry as `pluginConfig`.
fn plugin_configuration(bundle: &[u8], at: Option<SystemTime>, hold: Hold) -> serde_json::Value {
    let clock = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs());
    let mut configuration = serde_json::json!({"bundle": STANDARD.encode(bundle)});
    if let (Hold::Headers, Some(keys)) = (hold, configuration.as_object_mut()) {
        keys.insert("hold".to_owned(), "headers".into());
    }
    if let (Some(clock), Some(keys)) = (clock, configuration.as_object_mut()) {
        keys.insert("clock".to_owned(), clock.into());
    }
    configuration
}
