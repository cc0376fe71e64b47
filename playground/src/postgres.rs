//! A real PostgreSQL on loopback, in a folder of its own, without TLS unless it is told.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Whom the server runs as where we are root: it refuses to be root.
const NOBODY: u32 = 65534;
/// How long it may take to be ready; one that crashed looks through its log first.
const PATIENCE: Duration = Duration::from_secs(60);
/// What its log says then.
const READY: &str = "database system is ready to accept connections";

/// A server. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    bin: PathBuf,
    port: u16,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Postgres {
    /// Starts a server whose programs are in the folder that `scripts/postgres` names in `POSTGRES_BIN`. `settings` (`name=value`) are
    /// made of its folder, where files for it can be put.
    pub fn start(settings: impl FnOnce(&Path) -> io::Result<Vec<String>>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        hand_over(folder.path(), 0o700)?;
        let bin = reachable(&programs()?, folder.path())?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = settings(folder.path())?;
        let mut this = Self { folder, bin, port, settings, child: None };
        let data = this.folder.path().join("data");
        let mut command = this.command("initdb");
        command.arg("-D").arg(data).args(["-U", "audit", "-A", "trust", "-N", "--no-locale", "-E", "UTF8"]);
        let made = command.output()?;
        if !made.status.success() {
            return Err(io::Error::other(format!(
                "initdb failed: {}",
                String::from_utf8_lossy(&made.stderr)
            )));
        }
        this.restart()?;
        Ok(this)
    }

    /// Its address, for a client that does without TLS.
    pub fn url(&self) -> String {
        format!("postgres://audit@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Starts it where it was; after [`Self::stop`] with everything that was committed.
    pub fn restart(&mut self) -> io::Result<()> {
        let path = self.folder.path();
        let log = path.join("log");
        let mut command = self.command("postgres");
        command.arg("-D").arg(path.join("data")).arg("-k").arg(path).args(["-p", &self.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1"]);
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        self.child = Some(command.stderr(File::create(&log)?).stdout(Stdio::null()).spawn()?);
        let start = Instant::now();
        while !fs::read_to_string(&log)?.contains(READY) {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok()).flatten().is_some();
            if ended || start.elapsed() > PATIENCE {
                let log = fs::read_to_string(&log).unwrap_or_default();
                return Err(io::Error::other(format!("PostgreSQL does not get ready: {log}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it at once and without a checkpoint, as a crash does.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // SIGKILL would leave processes of its own.
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if id.is_none_or(|id| kill_process(id, Signal::QUIT).is_err()) {
            let _ = child.kill();
        }
        let _ = child.wait();
    }

    fn command(&self, name: &str) -> Command {
        let mut command = as_nobody(&self.bin.join(name));
        command.current_dir(self.folder.path()).env("TZ", "UTC").env("LC_ALL", "C");
        if let Some(libraries) = libraries(&self.bin) {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The libraries that were unpacked with the programs, where they were not installed: `usr/lib/MACHINE-linux-gnu` beside
/// `usr/lib/postgresql/VERSION/bin`.
fn libraries(bin: &Path) -> Option<PathBuf> {
    let folder = bin.ancestors().nth(3).filter(|folder| *folder != Path::new("/usr/lib"))?;
    let mut inside = folder.read_dir().ok()?.filter_map(Result::ok).map(|entry| entry.path());
    inside.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-gnu")))
}

/// Gives a file or folder to whom the server runs as, with these permissions.
pub fn hand_over(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    if is_root() { chown(path, Some(NOBODY), Some(NOBODY)) } else { Ok(()) }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={NOBODY}"))
        .arg(format!("--regid={NOBODY}"))
        .arg("--clear-groups")
        .arg(program);
    command
}

/// The folder that is named, or else what `scripts/postgres` finds or fetches.
fn programs() -> io::Result<PathBuf> {
    if let Some(named) = env::var_os("POSTGRES_BIN") {
        return Ok(named.into());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/postgres");
    let ran = Command::new(script).stderr(Stdio::inherit()).output()?;
    let printed = String::from_utf8_lossy(&ran.stdout);
    if ran.status.success() {
        Ok(printed.trim().into())
    } else {
        Err(io::Error::other("scripts/postgres failed"))
    }
}

/// The programs where whom they run as can reach them: copied into `folder`, with all that is theirs, if need be.
fn reachable(bin: &Path, folder: &Path) -> io::Result<PathBuf> {
    // The server asks this of its own programs, too.
    let tried = as_nobody(Path::new("test")).arg("-x").arg(bin.join("postgres")).status()?;
    if tried.success() {
        return Ok(bin.to_owned());
    }
    // …/usr/lib/postgresql/VERSION/bin: the server finds its other files from there.
    let root = bin
        .ancestors()
        .nth(4)
        .ok_or_else(|| io::Error::other("POSTGRES_BIN is not in a folder as Debian's"))?;
    let copy = folder.join("usr");
    for arguments in [
        ["cp".into(), "-r".into(), OsString::from(root), copy.clone().into()],
        ["chmod".into(), "-R".into(), "a+rX".into(), copy.clone().into()],
    ] {
        let [program, rest @ ..] = &arguments;
        if !Command::new(program).args(rest).status()?.success() {
            return Err(io::Error::other("the server's programs can not be copied"));
        }
    }
    Ok(copy.join(bin.strip_prefix(root).unwrap_or(bin)))
}
