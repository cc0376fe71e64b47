//! `serve`: the companion, which publishes policy to filters.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use sallyport_engine::identity::SpiffePattern;

use super::fail;
use crate::audit::exporter::Sink;
use crate::audit::{Keep, Settings};
use crate::exit;
use crate::project::Project;
use crate::registry::{Access, Reference};
use crate::serve::{
    self, AuditOptions, Folder, Grant, Options, Place, Registry, Signed, Source, StateDir, Store, TlsFiles,
};

/// How often a look at the registry is tried; the next one follows soon in any case.
const REGISTRY_TRIES: u32 = 2;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("source").required(true)))]
pub(super) struct Args {
    /// A project: a folder with `policy/` and `cases/` in it, which is compiled, tested, signed and published whenever it changes
    #[arg(value_name = "PROJECT", group = "source", requires = "sign_with")]
    project: Option<PathBuf>,
    /// The policy, where it is not in a project: a directory or a file
    #[arg(long, value_name = "PATH", group = "source", requires = "sign_with")]
    policy: Option<PathBuf>,
    /// Case files that `--policy` must pass, or directories of them
    #[arg(long, value_name = "CASE", num_args = 1.., requires = "policy")]
    cases: Vec<PathBuf>,
    /// A folder of `.bundle` files that were signed elsewhere; of those for one audience the newest is published
    #[arg(long, value_name = "DIR", group = "source", requires = "key")]
    bundles: Option<PathBuf>,
    /// A container registry with signed bundles: `oci://host/repository:tag`, where `push` put them; looked at every `--poll` seconds
    #[arg(long, value_name = "REFERENCE", group = "source", requires = "key", value_parser = Reference::parse)]
    registry: Option<Reference>,
    /// The CAs that the registry's certificate must be from, in PEM; those of the system if not given
    #[arg(long, value_name = "FILE", requires = "registry")]
    registry_ca_file: Option<PathBuf>,
    /// Ask the registry without TLS; credentials are then sent only to this machine itself
    #[arg(long, requires = "registry", conflicts_with = "registry_ca_file")]
    registry_plain_http: bool,
    /// Sign with the private key in this file; may be given several times
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bundles", "registry"])]
    sign_with: Vec<PathBuf>,
    /// A file with the serial of what is in the folder; without it, that is made of the times at which files were changed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bundles", "registry"])]
    serial_file: Option<PathBuf>,
    /// A file with a public key that may sign what is in `--bundles` or `--registry`; may be given several times
    #[arg(long, alias = "keys", value_name = "FILE", conflicts_with_all = ["project", "policy"], num_args = 1..)]
    key: Vec<PathBuf>,
    /// A file with a public key that no longer may
    #[arg(long, value_name = "FILE", requires = "key")]
    retired_key: Vec<PathBuf>,
    /// A folder of this replica alone, for what is published; a restart serves it at once
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where filters ask
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8470")]
    listen: SocketAddr,
    /// Where health, metrics and the fleet are shown without TLS, besides
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// The server's certificate, in PEM; read anew when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The CAs that clients' certificates must be from; without it, clients need none
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Let who has such a SPIFFE ID fetch these bundles, besides those for its own namespace: `spiffe://example.org/ns/edge/sa/*=tools`; `=*` for all of them, and metrics and fleet with them; may be given several times
    #[arg(long, value_name = "PATTERN=AUDIENCE", requires = "tls_client_ca", value_parser = Grant::parse)]
    authorize: Vec<Grant>,
    /// Take the records of exchanges that proxies send, and keep them here: a file (SQLite), or `postgres://user@host/database`
    #[arg(
        long,
        value_name = "STORE",
        requires = "audit_key",
        env = "SALLYPORT_AUDIT_STORE",
        hide_env_values = true
    )]
    audit: Option<String>,
    /// Sign the chains of records with the private key in this file; give audit a key of its own
    #[arg(long, value_name = "FILE", requires = "audit")]
    audit_key: Option<PathBuf>,
    /// A file with a public key that signed the chains before, or signs them in another companion; chains that no key given here signed are not continued; may be given several times
    #[arg(long, value_name = "FILE", requires = "audit")]
    audit_signed_by: Vec<PathBuf>,
    /// Take records only from proxies whose SPIFFE ID is one of these, as `spiffe://example.org/ns/*/sa/*`; may be given several times
    #[arg(long, value_name = "PATTERN", requires_all = ["audit", "tls_client_ca"], value_parser = sender)]
    audit_from: Vec<SpiffePattern>,
    /// Retire records that are older
    #[arg(long, value_name = "DAYS", requires = "audit", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    audit_keep_days: Option<u64>,
    /// Retire the oldest records when there are more bytes of them than this, in MiB
    #[arg(long, value_name = "MIB", requires = "audit", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    audit_keep_mib: Option<u64>,
    /// Append every record to this file, as a JSON object a line, for log shippers
    #[arg(long, value_name = "FILE", requires = "audit")]
    audit_file: Option<PathBuf>,
    /// Send every record to this collector of OpenTelemetry, as logs, and what is counted of records, as metrics: `http://host:4318`; to `/v1/logs` and `/v1/metrics` there
    #[arg(long, value_name = "URL", requires = "audit")]
    audit_otlp: Option<String>,
    /// The CAs that the collector's certificate must be from, for `https`
    #[arg(long, value_name = "FILE", requires = "audit_otlp")]
    audit_otlp_ca: Option<PathBuf>,
    /// How often to look for changes that the system does not tell of, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    poll: u64,
    /// The most connections at once
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,
    /// The least that is logged: `error`, `warn`, `info` or `debug` (every request)
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,
}

pub(super) fn run(args: Args) -> ExitCode {
    // Ours alone: those of the libraries can carry headers.
    let ours = Targets::new().with_target("policy_compiler", args.log);
    let lines = fmt::layer().json().flatten_event(true).with_target(false).with_writer(io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
    match serve::run(args.options()) {
        Ok(()) => exit::OK.into(),
        Err(why) => fail(&why),
    }
}

impl Args {
    fn options(self) -> Options {
        let folder = |place, keys, serial| Source::Folder(Folder { place, keys, serial });
        let (keys, retired) = (self.key, self.retired_key);
        let signed = |store| Source::Bundles(Signed { store, keys, retired });
        let source = match (self.project, self.policy, self.registry) {
            (Some(project), ..) => folder(Place::Project(project), self.sign_with, self.serial_file),
            (_, Some(policy), _) => {
                let place = Place::Named(Project { policy, cases: self.cases });
                folder(place, self.sign_with, self.serial_file)
            }
            (.., Some(reference)) => {
                let (ca, plain) = (self.registry_ca_file, self.registry_plain_http);
                let access = Access { ca, plain, tries: REGISTRY_TRIES };
                signed(Store::Registry(Registry::new(reference, access)))
            }
            _ => signed(Store::Folder(self.bundles.unwrap_or_default())),
        };
        let tls = self.tls_cert.zip(self.tls_key).map(|(certificate, key)| TlsFiles {
            certificate,
            key,
            client_ca: self.tls_client_ca,
        });
        let keep = Keep {
            age: self.audit_keep_days.map(|days| Duration::from_secs(days * 86_400)),
            bytes: self.audit_keep_mib.map(|mib| mib * 1024 * 1024),
        };
        let file = self.audit_file.map(Sink::File);
        let otlp = self.audit_otlp.map(|url| Sink::Otlp(url, self.audit_otlp_ca));
        let audit = self.audit.zip(self.audit_key).map(|(store, key)| AuditOptions {
            settings: Settings { store, key, others: self.audit_signed_by, keep },
            senders: self.audit_from,
            sinks: file.into_iter().chain(otlp).collect(),
        });
        Options {
            source,
            state: self.state.map(StateDir),
            listen: self.listen,
            admin: self.admin,
            tls,
            grants: self.authorize,
            audit,
            poll: Duration::from_secs(self.poll),
            max_connections: usize::try_from(self.max_connections).unwrap_or(usize::MAX),
        }
    }
}

fn sender(text: &str) -> Result<SpiffePattern, String> {
    SpiffePattern::parse(text).map_err(|why| why.to_string())
}
