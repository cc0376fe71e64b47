//! Instructions per decision of the engine, counted by valgrind: a number that does not depend on the machine's mood.
//!
//! The program runs itself under `valgrind --tool=callgrind` twice, with few and with many decisions; the difference is what
//! the decisions took, without start-up.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::decisions::{Prepared, policy};
use super::report::{Instruction, Instructions};
use super::subjects::{LARGEST, subjects};

/// The hidden argument that makes the program decide and nothing else.
pub const SUBCOMMAND: &str = "count";

/// How many decisions in the short and in the long run.
const FEW: u32 = 20;
const MANY: u32 = 120;

/// Counts, or says why it could not.
pub(super) fn measure(bundle: &[u8]) -> Result<Instructions, Box<dyn Error>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(Instructions::not_counted("valgrind is not installed (Debian: apt-get install valgrind)"));
    }
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bundle)?;
    let mut counted = Vec::new();
    // The largest takes minutes under valgrind, and its time says as much.
    for subject in subjects().into_iter().filter(|subject| subject.name != LARGEST) {
        let few = collected(file.path(), subject.name, FEW)?;
        let many = collected(file.path(), subject.name, MANY)?;
        let per_decision = many.saturating_sub(few) / u64::from(MANY - FEW);
        counted.push(Instruction { what: subject.name, per_decision });
    }
    Ok(Instructions::Counted(counted))
}

/// Instructions of one run.
fn collected(bundle: &Path, subject: &str, decisions: u32) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .arg(SUBCOMMAND)
        .arg(bundle)
        .arg(subject)
        .arg(decisions.to_string())
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    let count = told.lines().find_map(|line| line.split_once("Collected :"));
    let count = count.and_then(|(_, count)| count.split_whitespace().next()?.parse().ok());
    match count {
        Some(count) if output.status.success() => Ok(count),
        _ => Err(format!("valgrind did not count ({}): {}", output.status, told.trim()).into()),
    }
}

/// What runs under valgrind: that many decisions of one subject.
pub fn count(bundle: &Path, subject: &str, decisions: u32) -> Result<(), Box<dyn Error>> {
    let policy = policy(&std::fs::read(bundle)?)?;
    let subject = subjects().into_iter().find(|known| known.name == subject);
    let prepared = Prepared::new(&subject.ok_or("there is no such subject")?);
    (0..decisions).try_for_each(|_| prepared.decide(&policy))
}
