//! A real Envoy: mutual TLS in front, a Wasm module inside, an upstream behind.
//!
//! Envoy binds its own ports (0 in the bootstrap) and tells them on its admin interface, so two playgrounds never race for
//! one. Its files (keys included, mode 0600) are in a temporary folder that goes when the [`Envoy`] goes.

mod admin;
mod bootstrap;
mod config;
mod log;
mod program;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use admin::AdminError;
pub use config::{
    AuthzService, ClientCertificates, Companion, CompanionTls, Config, ExtAuthz, Hold, MAX_HELD_BYTES,
    UpstreamProtocol, Wasm,
};
pub use log::LogLine;
pub use program::{NotFound, PINNED_VERSION, Program};

use admin::Admin;
use bootstrap::{Files, bootstrap, discovery};
use log::Log;

use crate::pki::{PkiError, SvidFiles};
use crate::process::Process;

/// How often a starting Envoy is asked whether it is ready.
const POLL: Duration = Duration::from_millis(20);

/// Why Envoy did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The module file cannot be read.
    #[error("cannot read the Wasm module `{}`: {source}; was it built?", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its files could not be written.
    #[error("cannot prepare Envoy's folder: {0}; is there room in the temporary folder?")]
    Folder(#[from] io::Error),
    /// Keys or certificates could not be written.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The program could not be run.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The program.
        program: Program,
        /// What the system said.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("Envoy ended while starting ({status}); its last words:{tail}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        tail: String,
    },
    /// It is not ready in time.
    #[error("Envoy is not ready after {after:?}; its last words:{tail}")]
    NotReady {
        /// How long was waited.
        after: Duration,
        /// The end of its log.
        tail: String,
    },
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    address: SocketAddr,
    admin: Admin,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
    program: Program,
    files: TempDir,
}

// === impl Envoy ===

impl Envoy {
    /// Starts Envoy and waits until it accepts connections.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let module = config.wasm.as_ref().map(|wasm| readable(&wasm.module)).transpose()?;
        let files = tempfile::Builder::new().prefix("sallyport-envoy-").tempdir()?;
        let command = command(config, files.path(), module.as_deref())?;
        let run = |source| StartError::Run { program: config.program.clone(), source };
        let (process, stderr) = Process::start(command, Some(files.path())).map_err(run)?;
        let log = Arc::new(Log::default());
        let shared = log.clone();
        let reader = std::thread::Builder::new().name("envoy-log".to_owned());
        let reader = reader.spawn(move || shared.follow(stderr)).map_err(run)?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let program = config.program.clone();
        let mut envoy = Self {
            process,
            address: nowhere,
            admin: Admin(nowhere),
            log,
            reader: Some(reader),
            program,
            files,
        };
        envoy.wait_until_ready(config.start_timeout)?;
        Ok(envoy)
    }

    /// Where callers connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the admin interface listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin.0
    }

    /// The process: Envoy itself, or `docker` where Envoy runs from an image.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The oldest record of the module that was not read yet, waiting for one up to `timeout`: a JSON object in one line.
    pub fn next_record(&self, timeout: Duration) -> Option<String> {
        self.log.next_record(timeout)
    }

    /// The log, as far as it is kept.
    pub fn log(&self) -> Vec<LogLine> {
        self.log.lines()
    }

    /// The first line of the log, kept or yet to come within `timeout`, that is `wanted`.
    pub fn wait_for_line(&self, timeout: Duration, wanted: impl Fn(&LogLine) -> bool) -> Option<LogLine> {
        self.log.wait_for_line(timeout, wanted)
    }

    /// Counters and gauges whose names contain `part`; all of them for an empty one.
    pub fn stats(&self, part: &str) -> Result<BTreeMap<String, u64>, AdminError> {
        self.admin.stats(part)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_ok_and(|status| status.is_none())
    }

    /// Gives the module another configuration, where it is [discovered](Wasm::discovered). Envoy takes it over in its own time.
    pub fn reconfigure(&self, wasm: &Wasm) -> Result<(), StartError> {
        let wasm = Wasm { module: readable(&wasm.module)?, ..wasm.clone() };
        let next = self.files.path().join("module.next");
        std::fs::write(&next, discovery(&wasm).to_string())?;
        // Envoy watches for a file that is moved into place.
        Ok(std::fs::rename(next, discovered_file(self.files.path()))?)
    }

    /// Stops it, waiting at most five seconds before it is killed. Dropping does the same.
    pub fn stop(mut self) -> io::Result<ExitStatus> {
        self.halt()
    }

    fn halt(&mut self) -> io::Result<ExitStatus> {
        let status = self.process.stop();
        if let Program::Image(_) = self.program {
            // Only needed where `docker run` had to be killed; else there is no such container any more.
            let _gone = Command::new("docker").arg("kill").arg(name(self.files.path())).output();
        }
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        status
    }

    fn wait_until_ready(&mut self, timeout: Duration) -> Result<(), StartError> {
        let deadline = Instant::now() + timeout;
        while Instant::now() < deadline {
            if let Some(status) = self.process.ended()? {
                if let Some(reader) = self.reader.take() {
                    drop(reader.join());
                }
                return Err(StartError::Ended { status, tail: self.log.tail() });
            }
            if let Some((admin, address)) = self.ready() {
                self.admin = admin;
                self.address = address;
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        Err(StartError::NotReady { after: timeout, tail: self.log.tail() })
    }

    /// The addresses, once Envoy serves.
    fn ready(&self) -> Option<(Admin, SocketAddr)> {
        let told = std::fs::read_to_string(admin_file(self.files.path())).ok()?;
        let admin = Admin(told.trim().parse().ok()?);
        admin.get("/ready").ok()?;
        Some((admin, admin.listener()?))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _status = self.halt();
    }
}

/// Writes Envoy's files and gives the command that runs it on them.
fn command(config: &Config, files: &Path, module: Option<&Path>) -> Result<Command, StartError> {
    let server = config.server.write(files, "server")?;
    let trusted = files.join("trusted.pem");
    std::fs::write(&trusted, &config.trusted_pem)?;
    let mut config = config.clone();
    if let (Some(wasm), Some(module)) = (&mut config.wasm, module) {
        wasm.module = module.to_owned();
    }
    let companion = companion_files(config.companion.as_ref(), files)?;
    let document = files.join("bootstrap.json");
    let discovered = discovered_file(files);
    if let Some(wasm) = &config.wasm {
        std::fs::write(&discovered, discovery(wasm).to_string())?;
    }
    let named = Files {
        certificate: &server.certificate,
        key: &server.key,
        trusted: &trusted,
        discovered: &discovered,
        companion: companion.as_ref(),
    };
    std::fs::write(&document, bootstrap(&config, &named).to_string())?;
    let wasm_level =
        if config.wasm.as_ref().is_some_and(|wasm| wasm.info_log) { "wasm:info" } else { "wasm:warning" };
    let mut command = config.program.command(&name(files), files, module);
    command
        .arg("--config-path")
        .arg(&document)
        .arg("--admin-address-path")
        .arg(admin_file(files))
        // Without it, a second Envoy on this machine would take itself for the successor of the first.
        .arg("--disable-hot-restart")
        .args(["--concurrency", &config.concurrency.max(1).to_string()])
        .args(["--log-level", "warning", "--component-log-level", wasm_level, "--log-format", log::FORMAT]);
    Ok(command)
}

/// Writes what Envoy shows to the companion, and what it trusts there.
fn companion_files(
    companion: Option<&Companion>,
    files: &Path,
) -> Result<Option<(SvidFiles, PathBuf)>, StartError> {
    let Some(tls) = companion.and_then(|companion| companion.tls.as_ref()) else { return Ok(None) };
    let trusted = files.join("companion-trusted.pem");
    std::fs::write(&trusted, &tls.trusted_pem)?;
    Ok(Some((tls.own.write(files, "companion-own")?, trusted)))
}

/// The absolute path of a file that can be opened.
fn readable(path: &Path) -> Result<PathBuf, StartError> {
    let failed = |source| StartError::Module { path: path.to_owned(), source };
    std::fs::File::open(path).map_err(failed)?;
    path.canonicalize().map_err(failed)
}

fn discovered_file(files: &Path) -> PathBuf {
    files.join("module.json")
}

fn admin_file(files: &Path) -> PathBuf {
    files.join("admin-address")
}

/// The container's name: that of the folder, which is unique on this machine.
fn name(files: &Path) -> String {
    files.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
