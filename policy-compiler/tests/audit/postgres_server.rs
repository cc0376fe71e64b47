//! A real PostgreSQL on loopback, in a folder of its own, stopped when it is dropped.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::common::until;

/// Whom the server runs as where the tests are root's: it refuses to be root.
const NOBODY: u32 = 65534;

pub(crate) struct Server {
    folder: TempDir,
    bin: PathBuf,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// The same, with settings that are made of its folder, where files for it can be put.
    pub(crate) fn start_with(settings: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let bin = binaries(folder.path());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = settings(folder.path());
        let mut this = Self { folder, bin, port, settings, child: None };
        let data = this.folder.path().join("data").display().to_string();
        let made = this
            .command("initdb")
            .args(["-D", &data, "-U", "audit", "-A", "trust", "-N", "--no-locale", "-E", "UTF8"])
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        this.restart();
        this
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://audit@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Starts it, after [`Self::stop`] with everything that was committed.
    pub(crate) fn restart(&mut self) {
        let path = self.folder.path();
        let mut command = self.command("postgres");
        command.arg("-D").arg(path.join("data")).arg("-k").arg(path);
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        let log = fs::File::create(path.join("log")).unwrap();
        self.child = Some(command.stderr(log).stdout(Stdio::null()).spawn().unwrap());
        until("PostgreSQL", || postgres::Client::connect(&self.url(), postgres::NoTls).ok());
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // SIGQUIT: without a checkpoint; SIGKILL would leave its own children.
            let id = child.id().to_string();
            let _ = Command::new("kill").args(["-QUIT", &id]).status();
            let _ = child.wait();
        }
    }

    fn command(&self, name: &str) -> Command {
        let program = self.bin.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={NOBODY}"))
                .arg(format!("--regid={NOBODY}"))
                .arg("--clear-groups")
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path()).env("TZ", "UTC").env("LC_ALL", "C");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Gives a file to whom the server runs as, alone.
pub(crate) fn hand_over(path: &Path) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The folder of the server's programs: `scripts/postgres` names it. Where who runs them cannot reach it, they are copied.
fn binaries(folder: &Path) -> PathBuf {
    let bin = PathBuf::from(
        std::env::var_os("POSTGRES_BIN").map_or_else(found, |named| named.into_string().unwrap()),
    );
    let reached = !is_root() || {
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={NOBODY}")).arg(format!("--regid={NOBODY}")).arg("--clear-groups");
        command.arg(bin.join("postgres")).arg("--version").stderr(Stdio::null()).stdout(Stdio::null());
        command.status().unwrap().success()
    };
    if reached {
        return bin;
    }
    // …/usr/lib/postgresql/VERSION/bin: the server finds its other files from there.
    let root = bin.ancestors().nth(4).unwrap();
    let copied =
        Command::new("cp").args(["-r", "--no-preserve=ownership"]).arg(root).arg(folder.join("usr")).status();
    assert!(copied.unwrap().success());
    let opened = Command::new("chmod").args(["-R", "a+rX"]).arg(folder.join("usr")).status();
    assert!(opened.unwrap().success());
    folder.join("usr").join(bin.strip_prefix(root).unwrap())
}

fn found() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/postgres");
    let ran = Command::new(script).output().unwrap();
    assert!(ran.status.success(), "scripts/postgres: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

/// How long a restart of the server may take to be noticed.
pub(crate) const NOTICE: Duration = Duration::from_secs(10);
