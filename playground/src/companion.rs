//! A real companion, `policy-compiler serve`, as a process of its own.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long the companion may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is seen whether it does.
const STEP: Duration = Duration::from_millis(10);

/// A running companion. It is killed when this is dropped.
#[derive(Debug)]
pub struct Companion {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Companion {
    /// Starts it by a command, which says where it listens in its log: see [`Companion::announced`].
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let stderr = child.stderr.take();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        // The log is read to its end, lest the companion waits for a reader.
        thread::spawn(move || {
            for line in BufReader::new(stderr?).lines().map_while(Result::ok) {
                let json = serde_json::from_str(&line).unwrap_or(Value::String(line));
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(json);
            }
            Some(())
        });
        Ok(Self { child, lines })
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
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
