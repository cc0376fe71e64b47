//! A project to publish, and a companion that publishes it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sallyport_playground::companion;
use serde_json::Value;
use tempfile::TempDir;

use super::http::{Answer, Client};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_policy-compiler");
/// How long anything may take that should happen by itself.
const PATIENCE: Duration = Duration::from_secs(20);

const POLICY: &str = "\
apiVersion: sallyport.dev/v1
kind: TrustDomain
metadata: {name: acme.internal}
---
apiVersion: sallyport.dev/v1
kind: Agent
metadata: {name: research}
spec: {identities: ['spiffe://acme.internal/ns/agents/sa/research'], missions: [read]}
---
apiVersion: sallyport.dev/v1
kind: Service
metadata: {name: docs}
spec: {audiences: [tools/docs], hosts: [docs.tools.svc], routes: [{path: /**, protocol: http}]}
---
apiVersion: sallyport.dev/v1
kind: Service
metadata: {name: ledger}
spec: {audiences: [finance/ledger], hosts: [ledger.finance.svc], routes: [{path: /**, protocol: http}]}
---
apiVersion: sallyport.dev/v1
kind: Mission
metadata: {name: read}
spec:
  allow:
    - {name: read, service: docs, http: {methods: [GET], paths: ['/docs/{id}']}}
    - {name: book, service: ledger, http: {methods: [POST], paths: ['/entries']}}
";

const CASES: &str = "\
name: research may read
request: {peer: spiffe://acme.internal/ns/agents/sa/research, method: GET, authority: docs.tools.svc, path: /docs/1}
expect: {verdict: allow}
";

/// A folder with policy, a case, and a key to sign with.
pub(crate) struct Project {
    pub(crate) folder: TempDir,
}

/// A running companion. It ends when this is dropped.
pub(crate) struct Companion {
    process: companion::Companion,
    pub(crate) address: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
}

/// Runs the program to its end, which must be a good one.
pub(crate) fn run(args: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until there is a result.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Project {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["project/policy", "project/cases"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let this = Self { folder };
        fs::write(this.policy(), POLICY).unwrap();
        fs::write(this.path("project/cases/read.yaml"), CASES).unwrap();
        run(&["keygen", "-o", &this.name("key")]);
        this
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.path("project/policy/policy.yaml")
    }

    /// Adds an agent of this name: policy that differs, and is good.
    pub(crate) fn edit(&self, name: &str) {
        let identity = format!("identities: ['spiffe://acme.internal/ns/x/sa/{name}']");
        let agent =
            format!("kind: Agent\nmetadata: {{name: {name}}}\nspec: {{{identity}, missions: [read]}}\n");
        replace(&self.policy(), &format!("{POLICY}---\napiVersion: sallyport.dev/v1\n{agent}"));
    }

    pub(crate) fn break_policy(&self) {
        replace(&self.policy(), &POLICY.replace("missions: [read]", "missions: [write]"));
    }

    pub(crate) fn break_cases(&self) {
        replace(&self.path("project/cases/read.yaml"), &CASES.replace("allow", "deny"));
    }

    pub(crate) fn mend(&self) {
        replace(&self.path("project/cases/read.yaml"), CASES);
        replace(&self.policy(), POLICY);
    }

    /// The arguments that serve it.
    pub(crate) fn args(&self) -> Vec<String> {
        ["serve", &self.name("project"), "--sign-with", &self.name("key")].map(str::to_owned).to_vec()
    }

    pub(crate) fn serve(&self, more: &[&str]) -> Companion {
        let args = self.args();
        let all: Vec<_> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Companion::start(&all)
    }

    /// Whether a filter with our key takes these bytes.
    pub(crate) fn verifies(&self, bytes: &[u8], audience: Option<&str>) -> bool {
        let file = self.name("fetched");
        fs::write(&file, bytes).unwrap();
        let key = self.name("key.pub");
        let mut args = vec!["verify", &file, "--key", &key];
        args.extend(audience.into_iter().flat_map(|audience| ["--audience", audience]));
        Command::new(PROGRAM).args(args).output().unwrap().status.success()
    }
}

/// Replaces a file as editors and deployments do: by a rename.
pub(crate) fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

impl Companion {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(args).args(["--listen", "127.0.0.1:0"]);
        Self::spawn(command, args.contains(&"--admin"))
    }

    /// Starts it by a command of its own.
    pub(crate) fn spawn(command: Command, admin: bool) -> Self {
        let mut process = companion::Companion::spawn(command, None).unwrap();
        let address = process.announced("serving").unwrap();
        let admin = admin.then(|| process.announced("administration").unwrap());
        Self { process, address, admin }
    }

    /// What it logged.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.process.log()
    }

    /// The lines with this message.
    pub(crate) fn logged(&self, message: &str) -> Vec<Value> {
        self.log().into_iter().filter(|line| line["message"] == message).collect()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.client().get(path, headers)
    }

    /// The first bundle that is there.
    pub(crate) fn bundle(&self) -> Answer {
        until("a bundle", || Some(self.get("/v1/bundle", &[])).filter(|answer| answer.status == 200))
    }

    /// The first bundle that has another tag.
    pub(crate) fn next(&self, etag: &str) -> Answer {
        let answer = self.get("/v1/bundle", &[("if-none-match", etag), ("prefer", "wait=20")]);
        assert_eq!(answer.status, 200, "{:?}", self.log());
        answer
    }

    /// The number of a series.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let page = Client::new(self.admin.unwrap_or(self.address)).get("/metrics", &[]).text();
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        assert!(line.is_some(), "{series} is not in\n{page}");
        line.unwrap().parse().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for its end; the exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        until("the end", || self.process.ended().unwrap()).code()
    }
}
