//! A process of the playground, Envoy or a companion: started, watched, stopped.
//!
//! It must not outlive us, even when we are killed outright and no destructor runs. The kernel's parent-death signal
//! needs unsafe code, and follows the starting *thread*; so a small shell stands by instead. It waits on a pipe whose other end
//! only we hold: when we go, the pipe ends, and the shell stops the process and removes its folder. Both are in process
//! groups of their own, so that Ctrl-C reaches us alone and we stop the process in our own time.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long it may take to end after SIGTERM, before SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the shell does once the pipe ends; `$1` is the process, `$2` its folder, if it has one.
const WATCH: &str = r#"
read -r _
kill -TERM "$1" 2>/dev/null
left=50
while [ "$left" -gt 0 ] && kill -0 "$1" 2>/dev/null; do sleep 0.1; left=$((left - 1)); done
kill -KILL "$1" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"
"#;

/// A child that ends with its value, or with this process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    watch: Child,
}

// === impl Process ===

impl Process {
    /// Starts `command`; its standard error is returned, the rest is closed. `files`, if any, is removed if we are killed.
    pub(crate) fn start(mut command: Command, files: Option<&Path>) -> io::Result<(Self, ChildStderr)> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let watch = Command::new("/bin/sh")
            .args(["-c", WATCH, "sallyport-watch"])
            .arg(child.id().to_string())
            .arg(files.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let Some(stderr) = child.stderr.take() else {
            return Err(give_up(child, io::ErrorKind::BrokenPipe.into()));
        };
        match watch {
            Ok(watch) => Ok((Self { child, watch }, stderr)),
            Err(error) => Err(give_up(child, error)),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// SIGTERM, then SIGKILL after five seconds; returns when it is gone.
    pub(crate) fn stop(&mut self) -> io::Result<ExitStatus> {
        self.dismiss_watch();
        // Until we have waited for it the number is still its own, so no stranger gets the signal.
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let deadline = Instant::now() + PATIENCE;
        while asked && Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill()?;
        self.child.wait()
    }

    /// SIGKILL at once; returns when it is gone.
    pub(crate) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.dismiss_watch();
        self.child.kill()?;
        self.child.wait()
    }

    /// From here on the process number may become another's: the shell must not act on it any more.
    fn dismiss_watch(&mut self) {
        // Both fail only when it is gone, which is what is wanted.
        let _gone = self.watch.kill();
        let _status = self.watch.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _status = self.stop();
    }
}

/// A start that failed half way leaves nothing behind.
fn give_up(mut child: Child, error: io::Error) -> io::Error {
    let _gone = child.kill();
    let _status = child.wait();
    error
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    fn alive(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn stopping_asks_first_and_leaves_nothing() {
        let (mut process, stderr) =
            Process::start(shell("trap 'exit 7' TERM; echo up >&2; while :; do sleep 0.01; done"), None)
                .unwrap();
        BufReader::new(stderr).read_line(&mut String::new()).unwrap();
        let watch = process.watch.id();
        assert!(process.ended().unwrap().is_none() && alive(watch));
        assert_eq!(process.stop().unwrap().code(), Some(7));
        assert!(!alive(process.id()) && !alive(watch));
    }

    #[test]
    fn the_watch_stops_an_orphan_and_removes_its_folder() {
        let files = tempfile::tempdir().unwrap();
        let (mut process, _stderr) = Process::start(shell("sleep 60"), Some(files.path())).unwrap();
        // What the death of this process would do: close the pipe.
        drop(process.watch.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(8);
        while (process.ended().unwrap().is_none() || files.path().exists()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(process.ended().unwrap().is_some(), "it was stopped");
        assert!(!files.path().exists(), "its folder is gone");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(Process::start(Command::new("/nowhere/envoy"), None).is_err());
    }
}
