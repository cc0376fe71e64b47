//! `dev`: the whole gate on this machine, for whoever writes policy: a real Envoy with the module and the policy in it,
//! identities minted for every agent, an upstream, and a line for every decision.
//!
//! Everything listens on 127.0.0.1 and ends with this process.

mod identities;
mod keeper;
mod records;
mod tries;

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sallyport_engine::{Policy, bundle};
use sallyport_playground::envoy::{ClientCertificates, Config, Envoy, Program, UpstreamProtocol, Wasm};
use sallyport_playground::upstream::{Answer, Upstream};
use serde::Serialize;

use super::compile::{following_config, plugin_config};
use super::{fail, show};
use crate::exit;
use crate::files::write_atomically;
use crate::report::Colour;
use identities::Identities;
use keeper::{Keeper, Kept};

/// What the description of a running playground is called in the state directory.
const DESCRIPTION: &str = "playground.json";
/// Where `make module` leaves the module.
const MODULE: &str = "target/sallyport.wasm";
/// The cluster of the playground's companion.
const COMPANION: &str = "companion";
/// How long one wait for a record lasts, and so how long it takes to notice that we shall stop.
const WAIT: Duration = Duration::from_millis(200);
/// How long a stream may be silent: MCP's event streams wait for as long as a session does.
const STREAM_IDLE: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy: a directory, a file, or a compiled bundle
    #[arg(long, value_name = "PATH")]
    policy: PathBuf,
    /// Where allowed requests go; without it, to an upstream that tells the request back
    #[arg(long, value_name = "HOST:PORT")]
    upstream: Option<String>,
    /// The Envoy to run; without it $ENVOY, $ENVOY_IMAGE, `envoy` on PATH, or the one that scripts/envoy installed
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The filter module
    #[arg(long, value_name = "PATH", env = "SALLYPORT_MODULE", hide_env_values = true, default_value = MODULE)]
    module: PathBuf,
    /// Where certificates, keys and playground.json are left; without it, in a folder that goes at the end
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Keep the records of exchanges in this file: a companion takes them over mutual TLS, as `serve --audit` does
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// The port to listen on; 0 lets the system choose
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Stop when standard input closes, too: for programs that start this one
    #[arg(long)]
    until_stdin_closes: bool,
}

/// What others need to know to use the playground.
#[derive(Serialize)]
struct Description<'a> {
    url: String,
    admin: String,
    stats: String,
    ca: &'a Path,
    server_name: &'static str,
    identities: &'a Identities,
    /// Where records are kept, if they are.
    audit: Option<&'a Kept>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let (policy, report) = crate::load_policy(&args.policy);
    show(&report);
    let Some(policy) = policy else { return exit::BAD_INPUT.into() };
    match play(args, &policy) {
        Ok(()) => exit::OK.into(),
        Err(error) => fail(&error.to_string()),
    }
}

fn play(args: &Args, policy: &Policy) -> Result<(), Box<dyn Error>> {
    let stop = stop_flag(args.until_stdin_closes)?;
    let (directory, _temporary) = state_directory(args.state_dir.as_deref())?;
    // Whoever finds a description expects a playground behind it; an earlier one may have been killed.
    let description = directory.join(DESCRIPTION);
    remove_if_there(&description)?;
    let identities = Identities::mint(policy, &directory)?;
    let (upstream, _echo) = upstream(args.upstream.as_deref())?;
    let keep = |store: &PathBuf| Keeper::start(policy, &identities, store, &directory);
    let mut keeper = args.audit.as_ref().map(keep).transpose()?;
    let mut envoy = Envoy::start(&config(args, policy, &identities, upstream, keeper.as_ref())?)?;

    let kept = keeper.as_ref().map(|keeper| &keeper.kept);
    let described = describe(&envoy, &identities, kept);
    write_atomically(&description, serde_json::to_string_pretty(&described)?.as_bytes())?;
    let mut out = io::stdout().lock();
    tries::print(&mut out, policy, &identities, envoy.address(), &directory)?;
    if let Some(Kept { store, key }) = kept {
        let (store, key) = (store.display(), key.display());
        writeln!(out, "\nRecords are kept in {store}; {key} verifies them (`audit query`, `audit verify`).")?;
    }
    writeln!(out, "\nDecisions, as they are made (Ctrl-C ends the playground):")?;
    out.flush()?;

    let colour = Colour::for_stream(&io::stdout());
    while !stop.load(Ordering::Relaxed) {
        if let Some(record) = envoy.next_record(WAIT) {
            writeln!(out, "{}", records::line(&record, colour))?;
            out.flush()?;
        } else if !envoy.is_running() {
            return Err("Envoy has ended; was it stopped by somebody else?".into());
        } else if keeper.as_mut().is_some_and(|keeper| !keeper.is_running()) {
            return Err("the companion has ended; companion.log beside playground.json may say why".into());
        }
    }
    if let Some(keeper) = &keeper {
        keeper.settle(&envoy);
    }
    drop(envoy);
    Ok(remove_if_there(&description)?)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Set by Ctrl-C, by SIGTERM and SIGHUP, and by the end of standard input if that is asked for.
fn stop_flag(until_stdin_closes: bool) -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    if until_stdin_closes {
        let stop = Arc::clone(&stop);
        thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            let mut ignored = [0; 1024];
            while matches!(io::stdin().read(&mut ignored), Ok(1..)) {}
            stop.store(true, Ordering::Relaxed);
        })?;
    }
    Ok(stop)
}

/// The directory for our files; a temporary one lives as long as the second value.
fn state_directory(wanted: Option<&Path>) -> io::Result<(PathBuf, Option<tempfile::TempDir>)> {
    match wanted {
        Some(path) => {
            std::fs::create_dir_all(path)?;
            Ok((path.canonicalize()?, None))
        }
        None => {
            let temporary = tempfile::Builder::new().prefix("sallyport-").tempdir()?;
            Ok((temporary.path().to_owned(), Some(temporary)))
        }
    }
}

/// The user's upstream, or one that tells requests back and lives as long as the second value.
fn upstream(wanted: Option<&str>) -> Result<(SocketAddr, Option<Upstream>), Box<dyn Error>> {
    let Some(wanted) = wanted else {
        let echo = Upstream::start(Answer::Echo)?;
        return Ok((echo.address(), Some(echo)));
    };
    let addresses = wanted.to_socket_addrs();
    let found =
        addresses.map_err(|error| format!("`{wanted}` is not HOST:PORT of an upstream: {error}"))?.next();
    let address = found.ok_or_else(|| format!("`{wanted}` has no address"))?;
    Ok((address, None))
}

fn config(
    args: &Args,
    policy: &Policy,
    identities: &Identities,
    upstream: SocketAddr,
    keeper: Option<&Keeper>,
) -> Result<Config, Box<dyn Error>> {
    if !args.module.is_file() {
        let module = args.module.display();
        return Err(format!(
            "there is no filter module at `{module}`: `make module` builds one, --module names one"
        )
        .into());
    }
    let program = Program::find(args.envoy.as_deref())?;
    let configuration = match keeper {
        Some(keeper) => following_config(&keeper.bundle, keeper.public()?, COMPANION),
        None => plugin_config(&bundle::encode(policy)?),
    };
    if !program.shows_certificates() {
        eprintln!(
            "note: {program} shows the gate only the first URI SAN of a certificate, so the gate goes by that; Envoy 1.38 and newer show all of it"
        );
    }
    let configuration = program.fitted(serde_json::from_str(&configuration)?);
    let mut config = Config::new(program, identities.server.clone(), &identities.server_ca, upstream);
    config.port = args.port;
    config.trusted_pem.clone_from(&identities.trusted_pem);
    // So that a caller without a certificate hears from the gate what is missing.
    config.client_certificates = ClientCertificates::Requested;
    config.upstream_protocol = UpstreamProtocol::Http1;
    config.companion = keeper.map(Keeper::place);
    config.wasm = Some(Wasm::new(args.module.canonicalize()?, configuration.to_string()));
    config.stream_idle_timeout = STREAM_IDLE;
    Ok(config)
}

fn describe<'a>(envoy: &Envoy, identities: &'a Identities, audit: Option<&'a Kept>) -> Description<'a> {
    let admin = format!("http://{}", envoy.admin());
    Description {
        url: format!("https://{}", envoy.address()),
        stats: format!("{admin}/stats?filter=wasm"),
        admin,
        ca: &identities.ca,
        server_name: identities::SERVER_NAME,
        identities,
        audit,
    }
}
