//! The runner that puts cases to the real module in wasmtime, behind a host that behaves as Envoy does.
//!
//! A case goes through the same hands as on the wire: what Envoy's codec and connection manager would make of the request is
//! made of it, the module judges that, and the upstream gets what the buffer filter would send on.

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::cases::{self, Case, Header};
use policy_compiler::decide::{Observed, Record, Runner};

use crate::wasm_host::{
    BodyEnd, ClientRequest, Delivered, HeaderMap, HttpExchange, Identities, Level, Message, Metric, Module,
    Observation, Options, Refusal, Vm, admit,
};

/// Headers that the proxy or the framing add on the way to the upstream; they are reported only if the case sent them.
const ADDED_BY_PROXY: &[&str] =
    &["connection", "content-length", "transfer-encoding", "x-forwarded-proto", ":scheme"];

/// The filter state that carries the record.
const RECORD: &str = "sallyport";

/// The gauge that is 1 once the module took its configuration.
const LOADED: &str = "sallyport_policy_loaded";

/// The module in wasmtime under one policy.
#[derive(Debug)]
pub struct WasmRunner {
    module: Module,
    configuration: String,
    vm: Vm,
    identities: Identities,
    end: BodyEnd,
    options: Options,
}

impl WasmRunner {
    /// Starts the module (`$SALLYPORT_MODULE`, or `target/sallyport.wasm`) under an encoded bundle, and makes sure that the
    /// module took it.
    pub fn start(bundle: &[u8]) -> Result<Self, Box<dyn Error>> {
        Self::start_module(Module::load(&Module::default_path())?, bundle)
    }

    /// Starts this module.
    pub fn start_module(module: Module, bundle: &[u8]) -> Result<Self, Box<dyn Error>> {
        // What a WasmPlugin would carry as pluginConfig.
        let configuration = serde_json::json!({"bundle": STANDARD.encode(bundle)}).to_string();
        Self::start_configured(module, configuration, Options::default())
    }

    /// Starts this module where it can hold the headers of requests and responses until their bodies are judged.
    pub fn start_holding_heads(module: Module, bundle: &[u8]) -> Result<Self, Box<dyn Error>> {
        let configuration = serde_json::json!({"bundle": STANDARD.encode(bundle), "hold": "headers"});
        let options =
            Options { allow_on_headers_stop_iteration: true, buffer_after: false, ..Options::default() };
        Self::start_configured(module, configuration.to_string(), options)
    }

    fn start_configured(
        module: Module,
        configuration: String,
        options: Options,
    ) -> Result<Self, Box<dyn Error>> {
        let vm = Vm::start_with(&module, &configuration, options.clone())?;
        if vm.metrics().get(LOADED) != Some(&Metric::Gauge(1)) {
            let told: String = vm.start_log().iter().map(|line| format!("\n  {}", line.message)).collect();
            return Err(format!("the module does not accept the bundle:{told}").into());
        }
        let (identities, end) = (Identities::default(), BodyEnd::default());
        Ok(Self { module, configuration, vm, identities, end, options })
    }

    /// The same, with another way to tell the end of bodies.
    #[must_use]
    pub fn with_end(mut self, end: BodyEnd) -> Self {
        self.end = end;
        self
    }

    /// The exchange of a case, as it reaches the module.
    pub fn exchange(&mut self, case: &Case) -> Result<HttpExchange, Box<dyn Error>> {
        let peer = case.request.peers.as_ref().map(|names| self.identities.peer(names)).transpose()?;
        let (mut request, refused) = request(&case.request)?;
        let mut response = response(&case.request.method, &case.response);
        (request.end, response.end) = (self.end, self.end);
        Ok(HttpExchange { connection: None, peer, at: case.at, request, refused, response })
    }

    /// The VM, for what can be measured of it.
    pub fn vm(&mut self) -> &mut Vm {
        &mut self.vm
    }
}

impl Runner for WasmRunner {
    fn begin(&mut self, _: &Case) -> Result<(), Box<dyn Error>> {
        self.vm.forget_shared();
        Ok(())
    }

    fn run(&mut self, case: &Case) -> Result<Observed, Box<dyn Error>> {
        let exchange = self.exchange(case)?;
        let seen = match self.vm.exchange(&exchange) {
            Ok(seen) => seen,
            Err(error) => {
                // Envoy would start another VM too (FAIL_RELOAD); the next case is not to suffer.
                self.vm = Vm::start_with(&self.module, &self.configuration, self.options.clone())?;
                return Err(error.into());
            }
        };
        Ok(Observed {
            record: record(&seen)?,
            headers: seen.upstream.as_ref().map(|upstream| headers(upstream, &case.request)),
            forwarded: seen.upstream.map(|upstream| upstream.body),
            trailers: trailers(&seen.client),
            returned: seen.client.complete.then_some(seen.client.body),
            status: seen.status,
        })
    }
}

/// The record in filter state, which must be the one line that was logged at info.
fn record(seen: &Observation) -> Result<Record, Box<dyn Error>> {
    let Some(record) = seen.state(RECORD) else {
        return Err(format!("the client got {} and the module made no record", seen.status).into());
    };
    let logged: Vec<_> = seen.log.iter().filter(|line| line.level == Level::Info).collect();
    match logged.as_slice() {
        [line] if line.message.as_bytes() == record => {}
        [_] => return Err("the record in the log is not the one in filter state".into()),
        lines => return Err(format!("the module logged {} records of one exchange", lines.len()).into()),
    }
    serde_json::from_slice(record).map_err(|error| format!("the record is not as agreed: {error}").into())
}

/// The trailers that the client received.
fn trailers(client: &Delivered) -> Vec<Header> {
    let pair = |(name, value): (&[u8], &[u8])| (String::from_utf8_lossy(name).into_owned(), value.to_vec());
    client.trailers.iter().flat_map(HeaderMap::iter).map(pair).collect()
}

/// The request's head as the upstream received it, without what the proxy itself adds.
fn headers(upstream: &Delivered, case: &cases::Request) -> Vec<Header> {
    let sent = |name: &str| case.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let pair = |(name, value): (&[u8], &[u8])| (String::from_utf8_lossy(name).into_owned(), value.to_vec());
    let pseudo = [":method", ":path", ":authority"];
    let first =
        pseudo.iter().filter_map(|name| Some(((*name).to_owned(), upstream.headers.get(name)?.to_vec())));
    let rest = upstream.headers.iter().map(pair).filter(|(name, _)| {
        let name = name.as_str();
        !pseudo.contains(&name) && (sent(name) || !ADDED_BY_PROXY.contains(&name))
    });
    first.chain(rest).collect()
}

/// The request as the module sees it. Bodies are framed as the case says, else by length, in chunks if it cuts them.
fn request(case: &cases::Request) -> Result<(Message, Option<Refusal>), Box<dyn Error>> {
    let of_name = |wanted: &str| -> Vec<&[u8]> {
        let named = case.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| value.as_slice()).collect()
    };
    let body = case.message.body.is_some();
    let mut pieces: Vec<Vec<u8>> = case.message.chunks().into_iter().map(<[u8]>::to_vec).collect();
    let chunked = match (of_name("transfer-encoding").as_slice(), of_name("content-length").as_slice()) {
        ([], []) => !case.message.cuts.is_empty(),
        ([], [length]) => {
            claim(&mut pieces, length)?;
            false
        }
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") && body => true,
        _ => {
            return Err(
                "this framing cannot be put on the wire: it is for the connection, not the request".into()
            );
        }
    };
    let body = body.then_some(pieces);
    let (method, authority, path) = (&case.method, &case.authority, &case.path);
    let (headers, trailers) = (&case.headers, &case.message.trailers);
    Ok(admit(&ClientRequest { method, authority, path, headers, body, chunked, trailers }))
}

/// Keeps what a claimed length lets through: Envoy takes what follows for another request, and waits for what is missing.
fn claim(pieces: &mut [Vec<u8>], length: &[u8]) -> Result<(), Box<dyn Error>> {
    let claimed = std::str::from_utf8(length).ok().and_then(|text| text.parse::<usize>().ok());
    let claimed = claimed.ok_or("Envoy refuses a content-length that is no number")?;
    let mut left = claimed;
    for piece in pieces.iter_mut() {
        piece.truncate(left);
        left -= piece.len();
    }
    if left == 0 {
        Ok(())
    } else {
        Err(format!("content-length promises {left} bytes more than the body has").into())
    }
}

/// The upstream's answer as the module sees it.
fn response(method: &str, case: &cases::Response) -> Message {
    let mut headers = HeaderMap::from_iter([(":status", case.status.to_string())]);
    case.headers.iter().for_each(|(name, value)| headers.add(name, value));
    let pieces: Vec<Vec<u8>> = case.message.chunks().into_iter().map(<[u8]>::to_vec).collect();
    let size: usize = pieces.iter().map(Vec::len).sum();
    let trailers = (!case.message.trailers.is_empty())
        .then(|| case.message.trailers.iter().map(|(name, value)| (name, value)).collect::<HeaderMap>());
    let bodiless = method == "HEAD" || matches!(case.status, 204 | 304);
    let streamed = !case.message.cuts.is_empty() || trailers.is_some();
    if !streamed && !bodiless && headers.get("content-length").is_none() {
        headers.add("content-length", size.to_string());
    }
    let body = (!bodiless && (streamed || size > 0)).then_some(pieces);
    Message { headers, body, trailers: trailers.filter(|_| !bodiless), ..Message::default() }
}
