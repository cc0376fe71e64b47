//! A real companion, `policy-compiler serve`, as a process of its own.

use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long the companion may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running companion. It is killed when this is dropped.
#[derive(Debug)]
pub struct Companion {
    child: Child,
    address: SocketAddr,
}

impl Companion {
    /// Starts `policy-compiler serve` with these arguments, on a port that the system chooses.
    pub fn start(arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        Self::start_on("127.0.0.1:0", arguments)
    }

    /// The same at an address.
    pub fn start_on(address: &str, arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(program()?);
        command.arg("serve").args(arguments).args(["--listen", address]);
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let stderr = child.stderr.take().ok_or("no log")?;
        let (send, lines) = channel();
        // The log is read to its end, lest the companion waits for a reader.
        thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| drop(send.send(line)))
        });
        match announced(&lines) {
            Ok(address) => Ok(Self { child, address }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it without a chance to end in order.
    pub fn kill(mut self) -> Result<(), Box<dyn Error>> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Puts a file in the place of another as a whole, as deployments do.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes)?;
    fs::rename(beside, path)
}

fn announced(lines: &Receiver<String>) -> Result<SocketAddr, Box<dyn Error>> {
    let begun = Instant::now();
    let mut seen = String::new();
    while let Some(left) = PATIENCE.checked_sub(begun.elapsed()) {
        let Ok(line) = lines.recv_timeout(left) else { break };
        let json: Value = serde_json::from_str(&line).unwrap_or_default();
        if json["message"] == "serving" {
            return Ok(json["address"].as_str().ok_or("no address")?.parse()?);
        }
        seen.push_str(&format!("\n  {line}"));
    }
    Err(format!("the companion does not listen; its log:{seen}").into())
}

/// The program beside the one that runs.
fn program() -> Result<PathBuf, Box<dyn Error>> {
    let here = std::env::current_exe()?;
    let found = here
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("policy-compiler"))
        .find(|file| file.is_file());
    Ok(found
        .ok_or("there is no policy-compiler beside this program: cargo build --package policy-compiler")?)
}
