//! What it takes to bring policy to filters: a real companion, a real Envoy, and a thousand filters that ask at once.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_compiler::keys::{self, SecretKey};
use sallyport_engine::Policy;
use sallyport_engine::bundle::{Terms, decode, encode_under};
use sallyport_playground::Response;
use sallyport_playground::envoy::{Config, Envoy, Program, Wasm};
use sallyport_playground::pki::Ca;
use sallyport_playground::upstream::{Answer, Upstream};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::envoy::REPLY;
use super::report::ScaleRow;
use super::scale;
use crate::companion::{Companion, replace};
use crate::wasm_host::Module;

const WORKERS: u32 = 4;
const PUBLISHES: usize = 60;
/// How often a policy of a size is published.
const TRIES: usize = 5;
const AGENTS: [usize; 3] = [10, 1_000, 10_000];
const FILTERS: usize = 1_000;
const LOAD: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);
const BUDGET_ENFORCED_MS: f64 = 1_000.0;

/// A companion over a folder of signed bundles, and what signs them.
pub(super) struct Publisher {
    folder: TempDir,
    key: SecretKey,
    serial: u64,
    companion: Companion,
}

/// An Envoy that follows it.
pub(super) struct Follower {
    pub(super) envoy: Envoy,
    pub(super) ca: Ca,
    _upstream: Upstream,
    vms: u64,
}

/// Measures everything; progress goes to stderr.
pub(super) fn measure(bundle: &[u8]) -> Result<Vec<ScaleRow>, Box<dyn Error>> {
    let mut rows = Vec::new();
    let mut publisher = Publisher::start(bundle)?;
    eprintln!("==> {PUBLISHES} publishes to a real Envoy of {WORKERS} workers");
    let follower = publisher.follower(WORKERS)?;
    let mut times = Vec::new();
    for _ in 0..PUBLISHES {
        times.push(publisher.publish_and_wait(bundle, &follower)?);
    }
    drop(follower);
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        times.get(((times.len() - 1) as f64 * share).round() as usize).copied().unwrap_or_default()
    };
    rows.push(ScaleRow::new("publish to enforced on all workers, p50".to_owned(), at(0.5), "ms", None));
    rows.push(ScaleRow::new(
        "publish to enforced on all workers, p99".to_owned(),
        at(0.99),
        "ms",
        Some(BUDGET_ENFORCED_MS),
    ));
    for agents in AGENTS {
        eprintln!("==> publishing policy of {agents} agents");
        rows.extend(publisher.size(agents)?);
    }
    eprintln!("==> {FILTERS} filters that ask one companion");
    publisher.publish(bundle)?;
    rows.extend(herd(&mut publisher, bundle)?);
    Ok(rows)
}

impl Publisher {
    pub(super) fn start(bundle: &[u8]) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let key = SecretKey::generate()?;
        fs::create_dir(folder.path().join("bundles"))?;
        keys::write_public(&key.public().ok_or("no public key")?, &folder.path().join("key.pub"))?;
        write(&folder.path().join("bundles"), &key, bundle, 1)?;
        let name = |name: &str| folder.path().join(name).display().to_string();
        let companion = Companion::start(&["--bundles", &name("bundles"), "--key", &name("key.pub")])?;
        Ok(Self { key, serial: 1, companion, folder })
    }

    /// Publishes a policy under the next serial; how many bytes it has.
    pub(super) fn publish(&mut self, bundle: &[u8]) -> Result<usize, Box<dyn Error>> {
        self.serial += 1;
        write(&self.folder.path().join("bundles"), &self.key, bundle, self.serial)
    }

    /// An Envoy with that many workers, all of which have the policy.
    pub(super) fn follower(&self, workers: u32) -> Result<Follower, Box<dyn Error>> {
        let ca = Ca::new("acme.internal")?;
        let upstream = Upstream::start(Answer::scripted(Response::new(200, "application/json", REPLY)))?;
        let server = ca.mint_server("spiffe://acme.internal/gate")?;
        let program = Program::find(None)?;
        let mut config = Config::new(program.clone(), server, &ca, upstream.address());
        let public = self.key.public().ok_or("no public key")?.to_bytes();
        let configuration = program.fitted(serde_json::json!({
            "keys": [STANDARD.encode(public)],
            "companion": {"cluster": "companion", "authority": "companion.test"},
        }));
        config.companion = Some(self.companion.address().into());
        config.concurrency = workers;
        config.wasm =
            Some(Wasm { info_log: false, ..Wasm::new(Module::default_path(), configuration.to_string()) });
        let envoy = Envoy::start(&config)?;
        // Each worker has a VM, and so has the main thread.
        let follower = Follower { envoy, ca, _upstream: upstream, vms: u64::from(workers) + 1 };
        follower.wait_for_loads(follower.vms)?;
        Ok(follower)
    }

    /// Milliseconds from the publication to the last VM that puts it into force.
    fn publish_and_wait(&mut self, bundle: &[u8], follower: &Follower) -> Result<f64, Box<dyn Error>> {
        let loads = follower.loads()?;
        let began = Instant::now();
        self.publish(bundle)?;
        follower.wait_for_loads(loads + follower.vms)?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    /// What a policy of so many agents takes.
    fn size(&mut self, agents: usize) -> Result<Vec<ScaleRow>, Box<dyn Error>> {
        let bundle = scale::bundle_of(agents)?;
        let bytes = self.publish(&bundle)?;
        std::thread::sleep(Duration::from_secs(1));
        let follower = self.follower(1)?;
        let mut times = Vec::new();
        for _ in 0..TRIES {
            times.push(self.publish_and_wait(&bundle, &follower)?);
        }
        times.sort_by(f64::total_cmp);
        let resident = resident(follower.envoy.id())?;
        let row =
            |what: &str, value, unit| ScaleRow::new(format!("{agents} agents: {what}"), value, unit, None);
        Ok(vec![
            row("bundle", bytes as f64 / 1024.0, "KiB"),
            row(
                "publish to enforced on one worker, median",
                times.get(TRIES / 2).copied().unwrap_or_default(),
                "ms",
            ),
            row("memory of Envoy with two VMs", resident as f64 / 1024.0, "MiB"),
        ])
    }
}

/// Signs a policy and puts it where the companion looks.
fn write(folder: &Path, key: &SecretKey, bundle: &[u8], serial: u64) -> Result<usize, Box<dyn Error>> {
    let mut parts = decode(bundle)?.parts().clone();
    parts.serial = serial;
    let policy = Policy::new(parts).map_err(|error| error.to_string())?;
    let signed = keys::sign(&encode_under(&policy, &Terms::default())?, std::slice::from_ref(key))?;
    let path: PathBuf = folder.join("policy.bundle");
    replace(&path, &signed)?;
    Ok(signed.len())
}

impl Follower {
    /// How often its VMs put a policy into force.
    fn loads(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.envoy.stats("sallyport_policy_loads_total")?.values().sum())
    }

    fn wait_for_loads(&self, wanted: u64) -> Result<(), Box<dyn Error>> {
        let began = Instant::now();
        while self.loads()? < wanted {
            if began.elapsed() > PATIENCE {
                return Err(format!("Envoy's VMs did not load the policy within {PATIENCE:?}").into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// The resident memory of a process, in KiB.
pub fn resident(process: u32) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// A thousand connections that ask as filters do.
fn herd(publisher: &mut Publisher, bundle: &[u8]) -> Result<Vec<ScaleRow>, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let address = publisher.companion.address();
    let row =
        |what: &str, value, unit| ScaleRow::new(format!("{FILTERS} filters: {what}"), value, unit, None);
    runtime.block_on(async {
        // The publication of before must have been seen.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let asked = ask(&mut TcpStream::connect(address).await?, "").await;
        let (tag, _) = asked.map_err(|error| error.to_string())?;
        let unchanged = rate(address, &format!("if-none-match: {tag}\r\n")).await?;
        let whole = rate(address, "").await?;
        let mut waiting = JoinSet::new();
        for _ in 0..FILTERS {
            let headers = format!("if-none-match: {tag}\r\nprefer: wait=25\r\n");
            waiting.spawn(async move {
                let mut stream = TcpStream::connect(address).await.ok()?;
                ask(&mut stream, &headers).await.ok()
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        publisher.publish(bundle)?;
        let mut told = 0;
        while let Some(answer) = waiting.join_next().await {
            told += usize::from(answer?.is_some_and(|(new, _)| new != tag));
        }
        let took = began.elapsed().as_secs_f64() * 1e3;
        if told != FILTERS {
            return Err(format!("only {told} of {FILTERS} filters were told").into());
        }
        Ok(vec![
            row("answers that nothing is new", unchanged, "a second"),
            row("whole bundles", whole, "a second"),
            row("publish to the last of those that wait", took, "ms"),
        ])
    })
}

/// Requests a second, by as many connections as there are filters.
async fn rate(address: SocketAddr, headers: &str) -> Result<f64, Box<dyn Error>> {
    let mut streams = Vec::new();
    for _ in 0..FILTERS {
        streams.push(TcpStream::connect(address).await?);
    }
    let (began, mut tasks) = (Instant::now(), JoinSet::new());
    for mut stream in streams {
        let headers = headers.to_owned();
        tasks.spawn(async move {
            let mut count = 0_u32;
            while began.elapsed() < LOAD {
                if ask(&mut stream, &headers).await.is_err() {
                    return None;
                }
                count += 1;
            }
            Some(count)
        });
    }
    let mut total = 0;
    while let Some(count) = tasks.join_next().await {
        total += count?.ok_or("the companion closed a connection")?;
    }
    Ok(f64::from(total) / began.elapsed().as_secs_f64())
}

/// One request; the entity tag and the length of the body.
async fn ask(stream: &mut TcpStream, headers: &str) -> Result<(String, usize), Box<dyn Error + Send + Sync>> {
    stream.write_all(format!("GET /v1/bundle HTTP/1.1\r\nhost: c\r\n{headers}\r\n").as_bytes()).await?;
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let size = stream.read(&mut piece).await?;
        if size == 0 {
            return Err("the companion closed the connection".into());
        }
        bytes.extend_from_slice(piece.get(..size).unwrap_or_default());
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let length: usize = field("content-length").map_or(Ok(0), str::parse)?;
        if bytes.len() >= end + 4 + length {
            return Ok((field("etag").ok_or("no entity tag")?.to_owned(), length));
        }
    }
}
