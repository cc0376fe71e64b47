//! A real companion, `policy-compiler serve`, as a process of its own.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use sallyport_playground::companion;

/// A running companion. It is killed when this is dropped.
#[derive(Debug)]
pub struct Companion {
    _process: companion::Companion,
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
        let mut process = companion::Companion::spawn(command, None)?;
        let address = process.announced("serving")?;
        Ok(Self { _process: process, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Puts a file in the place of another as a whole, as deployments do.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes)?;
    fs::rename(beside, path)
}

/// The `policy-compiler` beside the program that runs.
pub fn program() -> Result<PathBuf, Box<dyn Error>> {
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
