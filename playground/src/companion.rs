//! A companion as a process: a program that says on standard error, in lines of JSON, where it serves.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ChildStderr, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Process;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is seen whether it does.
const STEP: Duration = Duration::from_millis(10);

/// A running companion. It is killed when this is dropped, and when this process is.
#[derive(Debug)]
pub struct Companion {
    process: Process,
    lines: Arc<Mutex<Vec<Value>>>,
}

// === impl Companion ===

impl Companion {
    /// Runs a command that serves. Its log is appended to a file, if one is named.
    pub fn spawn(command: Command, log: Option<&Path>) -> io::Result<Self> {
        let log = log.map(|path| File::options().create(true).append(true).open(path)).transpose()?;
        let (process, stderr) = Process::start(command, None)?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        thread::Builder::new().name("companion-log".to_owned()).spawn(move || follow(stderr, log, &kept))?;
        Ok(Self { process, lines })
    }

    /// The address in the line of its log with this message, `serving` or `administration`, once it is there.
    pub fn announced(&mut self, message: &str) -> io::Result<SocketAddr> {
        let begun = Instant::now();
        loop {
            // Asked first: what it said last is then in the log, or will be.
            let ended = self.ended()?;
            let found = self.log().into_iter().find(|line| line["message"] == message);
            let address = found.and_then(|line| line["address"].as_str()?.parse().ok());
            match (address, ended) {
                (Some(address), _) => return Ok(address),
                (None, None) if begun.elapsed() < PATIENCE => thread::sleep(STEP),
                (None, ended) => {
                    // The last words may be on their way.
                    thread::sleep(STEP);
                    let what = if ended.is_some() { "ended" } else { "does not listen" };
                    return Err(io::Error::other(format!("the companion {what}; its log: {:?}", self.log())));
                }
            }
        }
    }

    /// What it logged so far, a value a line.
    pub fn log(&self) -> Vec<Value> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// Lets it end in order; after five seconds it is killed.
    pub fn stop(&mut self) -> io::Result<()> {
        self.process.stop().map(drop)
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
    }
}

/// Reads the log to its end, lest the companion waits for a reader.
fn follow(stderr: ChildStderr, mut log: Option<File>, kept: &Mutex<Vec<Value>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        // A log that cannot be kept keeps nobody from serving.
        let _ = log.as_mut().map(|log| writeln!(log, "{line}"));
        let json = serde_json::from_str(&line).unwrap_or(Value::String(line));
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(json);
    }
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
        let mut companion = Companion::spawn(shell(&script), Some(&log)).unwrap();
        assert_eq!(companion.announced("serving").unwrap(), SocketAddr::from(([127, 0, 0, 1], 7)));
        assert!(companion.ended().unwrap().is_none());
        drop(companion);
        assert_eq!(std::fs::read_to_string(&log).unwrap(), format!("begins\n{line}\n"));
    }

    #[test]
    fn one_that_ends_shows_its_last_words() {
        let mut ended = Companion::spawn(shell("echo 'no key' >&2; exit 2"), None).unwrap();
        let error = ended.announced("serving").unwrap_err();
        assert!(error.to_string().contains("no key"), "{error}");
    }
}
