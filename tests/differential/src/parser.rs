//! Another parser: a process that reads bodies and answers each with a digest of what it read.
//!
//! ```text
//! we write   a batch: how many bodies (u32, big-endian), then each: its length (u32, big-endian), its bytes
//! it writes  first, a line that says what it is; then a line for each body: the SHA-256 of the canonical form in hexadecimal,
//!            or `-` and why it refuses the body, in at most 80 bytes. It flushes at the end of a batch.
//! ```
//!
//! Started with `show` as its last argument it writes the canonical forms themselves, in hexadecimal.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The most bodies in a batch: their answers fit into a pipe, so that neither side waits for the other.
pub const BATCH: usize = 512;

/// What a parser is compared on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    /// The value of every accepted body.
    Value,
    /// The operation of every MCP message that the gate lets pass. A decoder may refuse what its structures do not fit.
    Operation,
    /// As `Value`, but known to read some numbers otherwise: told, not counted.
    Known,
}

/// How to start a parser.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What it is compared on.
    pub reading: Reading,
    /// What it is called.
    pub name: String,
    program: String,
    arguments: Vec<String>,
}

/// What a parser made of a body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The digest of the canonical form.
    Read(String),
    /// It refuses the body, and says why.
    Refused(String),
}

/// A running parser.
#[derive(Debug)]
pub struct Parser {
    /// What it said of itself.
    pub version: String,
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Recipe {
    /// Reads a line of a list of parsers: reading, name, program and arguments, separated by tabs.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t').map(str::to_string);
        let reading = match fields.next()?.as_str() {
            "value" => Reading::Value,
            "operation" => Reading::Operation,
            "known" => Reading::Known,
            _ => return None,
        };
        let (name, program) = (fields.next()?, fields.next()?);
        Some(Self { reading, name, program, arguments: fields.collect() })
    }

    /// Starts the parser.
    pub fn start(&self) -> io::Result<Parser> {
        self.spawn(&[])
    }

    /// What the parser makes of one body, as a canonical form in hexadecimal; for a report.
    pub fn show(&self, body: &[u8]) -> io::Result<Answer> {
        let mut parser = self.spawn(&["show"])?;
        let answers = parser.ask(&[body])?;
        Ok(answers.into_iter().next().unwrap_or_else(|| Answer::Refused("no answer".into())))
    }

    fn spawn(&self, more: &[&str]) -> io::Result<Parser> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(more).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let mut from = BufReader::new(from.ok_or_else(|| io::Error::other("no output"))?);
        let mut version = String::new();
        from.read_line(&mut version)?;
        Ok(Parser { version: version.trim_end().to_string(), child, to, from })
    }
}

impl Parser {
    /// Puts a batch to the parser.
    pub fn ask(&mut self, bodies: &[&[u8]]) -> io::Result<Vec<Answer>> {
        let length = |n: usize| u32::try_from(n).map(u32::to_be_bytes).map_err(io::Error::other);
        let mut batch = length(bodies.len())?.to_vec();
        for body in bodies {
            batch.extend(length(body.len())?);
            batch.extend(*body);
        }
        let to = self.to.as_mut().ok_or_else(|| io::Error::other("it was stopped"))?;
        to.write_all(&batch)?;
        to.flush()?;
        (0..bodies.len()).map(|_| self.answer()).collect()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err(io::Error::other("it ended"));
        }
        let line = line.trim_end_matches('\n');
        Ok(match line.strip_prefix('-') {
            Some(why) => Answer::Refused(why.trim_start().to_string()),
            None => Answer::Read(line.to_string()),
        })
    }
}

impl Drop for Parser {
    /// The end of its input ends it.
    fn drop(&mut self) {
        self.to = None;
        if self.child.wait().is_err() {
            let _ = self.child.kill();
        }
    }
}
