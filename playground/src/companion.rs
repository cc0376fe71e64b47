//! A companion as a process: a program that says on standard error, in a line of JSON, where it serves.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStderr, Command};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Process;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a companion did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program could not be run, or its log not be kept.
    #[error("cannot run the companion: {0}")]
    Run(#[from] io::Error),
    /// It does not say where it serves.
    #[error("the companion does not listen; its log:{0}")]
    Silent(String),
}

/// A running companion. It is stopped when this is dropped, and when this process is killed.
#[derive(Debug)]
pub struct Companion {
    process: Process,
    address: SocketAddr,
}

// === impl Companion ===

impl Companion {
    /// Runs a command that serves, and waits until it says where. Its log is appended to a file, if one is named.
    pub fn start(command: Command, log: Option<&Path>) -> Result<Self, StartError> {
        let log = log.map(|path| File::options().create(true).append(true).open(path)).transpose()?;
        let (process, stderr) = Process::start(command, None)?;
        let (send, lines) = channel();
        let read = move || follow(stderr, log, |line| drop(send.send(line)));
        thread::Builder::new().name("companion-log".to_owned()).spawn(read)?;
        let address = announced(&lines)?;
        Ok(Self { process, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.ended().is_ok_and(|status| status.is_none())
    }

    /// Kills it without a chance to end in order.
    pub fn kill(mut self) -> io::Result<()> {
        self.process.kill().map(drop)
    }
}

/// Reads the log to its end, lest the companion waits for a reader.
fn follow(stderr: ChildStderr, mut log: Option<File>, told: impl Fn(String)) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        // A log that cannot be kept keeps nobody from serving.
        let _ = log.as_mut().map(|log| writeln!(log, "{line}"));
        told(line);
    }
}

fn announced(lines: &Receiver<String>) -> Result<SocketAddr, StartError> {
    let begun = Instant::now();
    let mut seen = String::new();
    while let Some(left) = PATIENCE.checked_sub(begun.elapsed()) {
        let Ok(line) = lines.recv_timeout(left) else { break };
        let json: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = json.get("address").and_then(Value::as_str).and_then(|address| address.parse().ok());
        if let (Some("serving"), Some(address)) = (json.get("message").and_then(Value::as_str), address) {
            return Ok(address);
        }
        seen.push_str(&format!("\n  {line}"));
    }
    Err(StartError::Silent(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn it_says_where_it_serves_and_its_log_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let line = r#"{"message":"serving","address":"127.0.0.1:7"}"#;
        let script = format!("echo begins >&2; echo '{line}' >&2; exec sleep 60");
        let mut companion = Companion::start(shell(&script), Some(&log)).unwrap();
        assert_eq!(companion.address(), SocketAddr::from(([127, 0, 0, 1], 7)));
        assert!(companion.is_running());
        companion.kill().unwrap();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), format!("begins\n{line}\n"));
    }

    #[test]
    fn one_that_ends_shows_its_last_words() {
        let ended = Companion::start(shell("echo 'no key' >&2; exit 2"), None).unwrap_err();
        assert!(ended.to_string().contains("no key"), "{ended}");
    }
}
