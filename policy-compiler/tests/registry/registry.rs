//! A registry as a process of its own, and the program beside it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sallyport_playground::pki::Ca;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::common::PROGRAM;
use super::http::{Answer, Client};

pub(crate) const USER: &str = "robot";
pub(crate) const PASSWORD: &str = "open sesame";
/// Of that password, by bcrypt.
const HASH: &str = "$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";

/// Who is let in.
#[derive(Clone)]
pub(crate) enum Login {
    Nobody,
    /// By name and password.
    Password,
    /// By a token of the service at this address, signed by a certificate of the CA in this file.
    Token(SocketAddr, PathBuf),
}

/// A running registry. It ends when this is dropped.
pub(crate) struct Registry {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) ca: Option<Ca>,
    login: Login,
    child: Child,
}

impl Registry {
    /// Over HTTP, for everybody.
    pub(crate) fn open() -> Self {
        Self::new(false, Login::Nobody)
    }

    pub(crate) fn new(tls: bool, login: Login) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = tls.then(|| Ca::new("acme.internal").unwrap());
        if let Some(ca) = &ca {
            ca.write_certificate(&folder.path().join("ca.pem")).unwrap();
            let server = ca.mint_server("spiffe://acme.internal/ns/registry/sa/registry").unwrap();
            server.write(folder.path(), "server").unwrap();
        }
        fs::write(folder.path().join("htpasswd"), format!("{USER}:{HASH}\n")).unwrap();
        let (child, address) = start(folder.path(), "127.0.0.1:0", tls, &login);
        Self { folder, address, ca, login, child }
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&mut self) {
        let tls = self.ca.is_some();
        (self.child, _) = start(self.folder.path(), &self.address.to_string(), tls, &self.login);
    }

    pub(crate) fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.address)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The file in which it keeps a blob.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let below = format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        self.folder.path().join(below)
    }

    /// What it answers to a client that is none of ours.
    pub(crate) fn get(&self, path: &str) -> Answer {
        Client::new(self.address).get(path, &[("accept", "application/vnd.oci.image.manifest.v1+json")])
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(folder: &Path, address: &str, tls: bool, login: &Login) -> (Child, SocketAddr) {
    let name = |name: &str| folder.join(name).display().to_string();
    let mut config = json!({
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": name("data")}, "delete": {"enabled": true}},
        "http": {"addr": address},
    });
    if tls {
        config["http"]["tls"] = json!({"certificate": name("server.pem"), "key": name("server.key")});
    }
    match login {
        Login::Nobody => {}
        Login::Password => config["auth"] = json!({"htpasswd": {"realm": "test", "path": name("htpasswd")}}),
        Login::Token(service, bundle) => {
            let realm = format!("http://{service}/token");
            config["auth"] = json!({"token": {"realm": realm, "service": "test", "issuer": "test", "rootcertbundle": bundle}});
        }
    }
    // JSON is YAML.
    fs::write(folder.join("config.yml"), config.to_string()).unwrap();
    let mut command = Command::new(binary());
    command.arg("serve").arg(folder.join("config.yml")).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let address = listening(child.stderr.take().unwrap());
    (child, address)
}

/// The address that it says it listens on.
fn listening(stderr: ChildStderr) -> SocketAddr {
    let stderr = BufReader::new(stderr);
    let (sender, receiver) = mpsc::channel();
    // Read to the end, or it would wait for room.
    thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    let mut lines = Vec::new();
    loop {
        let line = receiver.recv_timeout(Duration::from_secs(20));
        assert!(line.is_ok(), "the registry does not start: {lines:?}");
        let line = line.unwrap();
        if let Some((_, rest)) = line.split_once("listening on ") {
            let end = rest.find([',', '"', ' ']).unwrap();
            return rest[..end].parse().unwrap();
        }
        lines.push(line);
    }
}

/// As scripts/docker-registry looks for it.
fn binary() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = set("DOCKER_REGISTRY") {
        return path.into();
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cache = set("SALLYPORT_CACHE").map_or_else(|| repository.join(".cache"), PathBuf::from);
    let folders = set("PATH").map_or_else(Vec::new, |path| std::env::split_paths(&path).collect());
    let cached = fs::read_dir(cache.join("docker-registry")).into_iter().flatten().flatten();
    let mut all = folders.into_iter().chain(cached.map(|entry| entry.path()));
    let found = all.find_map(|folder| Some(folder.join("docker-registry")).filter(|path| path.is_file()));
    assert!(
        found.is_some(),
        "there is no registry to test against: run scripts/docker-registry, or set DOCKER_REGISTRY"
    );
    found.unwrap()
}

/// The program, with credentials of its own.
pub(crate) struct Tool {
    pub(crate) folder: TempDir,
    path: String,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Tool {
    /// Without any credentials.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let helpers = folder.path().join("helpers");
        fs::create_dir(&helpers).unwrap();
        let path = format!("{}:{}", helpers.display(), std::env::var("PATH").unwrap());
        Self { folder, path }
    }

    /// With these in Docker's configuration.
    pub(crate) fn configured(config: &Value) -> Self {
        let tool = Self::new();
        fs::write(tool.folder.path().join("config.json"), config.to_string()).unwrap();
        tool
    }

    /// With a name and a password for one registry.
    pub(crate) fn logged_in(host: &str, user: &str, password: &str) -> Self {
        let auth = STANDARD.encode(format!("{user}:{password}"));
        Self::configured(&json!({"auths": {host: {"auth": auth}}}))
    }

    pub(crate) fn name(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes a file, and gives its name.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.folder.path().join(name), content).unwrap();
        self.name(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env("DOCKER_CONFIG", self.folder.path()).env("PATH", &self.path);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let Output { status, stdout, stderr } = self.command().args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(stdout), text(stderr));
        assert!(!stdout.contains(PASSWORD) && !stderr.contains(PASSWORD), "{stdout}{stderr}");
        assert!(!stdout.contains('\r') && !stderr.contains('\r'), "a bar off a terminal: {stderr}");
        Ended { code: status.code(), stdout, stderr }
    }

    /// Runs it to a good end; what it printed as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ended = self.run(&[args, &["--format", "json"]].concat());
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }
}

/// A module that is none of ours; incompressible enough to be worth a few pieces.
pub(crate) fn wasm() -> Vec<u8> {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    b"\0asm\x01\0\0\0".iter().copied().chain(noise.take(300_000)).collect()
}
