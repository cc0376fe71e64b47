//! The comparison: bodies to the engine, what it accepts to every parser, and what they make of it against what it made.

use crate::canonical;
use crate::operation::{self, Gate};
use crate::parser::{Answer, BATCH, Parser, Reading, Recipe};
use sallyport_engine::json::Document;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::io;

/// The most disagreements of one parser that are kept whole.
const KEPT: usize = 20;

/// A body that the engine accepted, and the digests that the parsers should find.
struct Expected {
    body: Vec<u8>,
    value: String,
    /// Of an MCP message that the gate lets pass.
    operation: Option<String>,
}

/// A parser and what came of it.
#[derive(Debug)]
struct Contestant {
    recipe: Recipe,
    parser: Parser,
    tally: Tally,
}

/// What came of one parser.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many bodies it was asked about.
    pub compared: u64,
    /// How many it read as something else.
    pub different: u64,
    /// How many it refused, by its words.
    pub refused: BTreeMap<String, u64>,
    /// The first bodies that it read as something else.
    pub kept: Vec<Vec<u8>>,
}

/// The comparison, so far.
#[derive(Debug)]
pub struct Comparison {
    gate: Gate,
    contestants: Vec<Contestant>,
    bodies: u64,
    bytes: u64,
    accepted: u64,
    passed: u64,
    refused: BTreeMap<String, u64>,
}

impl Comparison {
    /// Starts every parser.
    pub fn start(gate: Gate, recipes: Vec<Recipe>) -> io::Result<Self> {
        let start = |recipe: Recipe| {
            let parser = recipe
                .start()
                .map_err(|why| io::Error::other(format!("{} can not be started: {why}", recipe.name)))?;
            Ok(Contestant { recipe, parser, tally: Tally::default() })
        };
        Ok(Self {
            gate,
            contestants: recipes.into_iter().map(start).collect::<io::Result<_>>()?,
            bodies: 0,
            bytes: 0,
            accepted: 0,
            passed: 0,
            refused: BTreeMap::new(),
        })
    }

    /// Compares a batch of bodies.
    pub fn add(&mut self, bodies: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
        let bodies: Vec<Vec<u8>> = bodies.collect();
        let accepted: Vec<Expected> = bodies.into_iter().filter_map(|body| self.judge(body)).collect();
        for batch in accepted.chunks(BATCH) {
            std::thread::scope(|scope| {
                let asked: Vec<_> = self
                    .contestants
                    .iter_mut()
                    .map(|contestant| scope.spawn(|| contestant.compare(batch)))
                    .collect();
                asked.into_iter().try_for_each(|thread| match thread.join() {
                    Ok(result) => result,
                    Err(_) => Err(io::Error::other("a comparing thread panicked")),
                })
            })?;
        }
        Ok(())
    }

    /// Counts a body, and says what parsers should make of it if the engine accepts it.
    fn judge(&mut self, body: Vec<u8>) -> Option<Expected> {
        self.bodies += 1;
        self.bytes += u64::try_from(body.len()).unwrap_or(0);
        let (value, operation) = match Document::parse(&body) {
            Ok(document) => {
                let operation = self.gate.passes(&body).then(|| digest(&operation::of_document(&document)));
                (digest(&canonical::of_document(&document)), operation)
            }
            Err(error) => {
                *self.refused.entry(format!("{:?}", error.fault)).or_default() += 1;
                return None;
            }
        };
        self.accepted += 1;
        self.passed += u64::from(operation.is_some());
        Some(Expected { body, value, operation })
    }

    /// Every parser's name and tally.
    pub fn tallies(&self) -> impl Iterator<Item = (&str, &Tally)> {
        self.contestants.iter().map(|contestant| (contestant.recipe.name.as_str(), &contestant.tally))
    }

    /// How many readings differ that may not.
    pub fn disagreements(&self) -> u64 {
        let counted =
            self.contestants.iter().filter(|contestant| contestant.recipe.reading != Reading::Known);
        counted.map(|contestant| contestant.tally.different).sum()
    }

    /// The parsers that refused more than one body in a hundred: then there was little to compare.
    pub fn deaf(&self) -> Vec<&str> {
        let deaf = |contestant: &&Contestant| {
            let refused: u64 = contestant.tally.refused.values().sum();
            contestant.recipe.reading == Reading::Value && refused * 100 > contestant.tally.compared
        };
        self.contestants.iter().filter(deaf).map(|contestant| contestant.recipe.name.as_str()).collect()
    }

    /// A parser's canonical form of a body, in hexadecimal.
    pub fn show(&self, name: &str, body: &[u8]) -> io::Result<Answer> {
        let found = self.contestants.iter().find(|contestant| contestant.recipe.name == name);
        found.ok_or_else(|| io::Error::other("no such parser"))?.recipe.show(body)
    }
}

impl Contestant {
    fn compare(&mut self, batch: &[Expected]) -> io::Result<()> {
        let wanted = |expected: &Expected| match self.recipe.reading {
            Reading::Value | Reading::Known => Some(expected.value.clone()),
            Reading::Operation => expected.operation.clone(),
        };
        let asked: Vec<(&[u8], String)> =
            batch.iter().filter_map(|expected| Some((expected.body.as_slice(), wanted(expected)?))).collect();
        let bodies: Vec<&[u8]> = asked.iter().map(|(body, _)| *body).collect();
        let answers = self
            .parser
            .ask(&bodies)
            .map_err(|why| io::Error::other(format!("{} stopped answering: {why}", self.recipe.name)))?;
        for ((body, wanted), answer) in asked.into_iter().zip(answers) {
            self.tally.note(body, &wanted, answer);
        }
        Ok(())
    }
}

impl Tally {
    fn note(&mut self, body: &[u8], wanted: &str, answer: Answer) {
        self.compared += 1;
        match answer {
            Answer::Read(found) if found == wanted => {}
            Answer::Read(_) => {
                self.different += 1;
                if self.kept.len() < KEPT {
                    self.kept.push(body.to_vec());
                }
            }
            // Places and names differ from body to body; the words before them tell the cause.
            Answer::Refused(why) => {
                let words: String = why.chars().take_while(|c| !c.is_ascii_digit()).collect();
                *self.refused.entry(words).or_default() += 1;
            }
        }
    }
}

fn digest(form: &[u8]) -> String {
    Sha256::digest(form).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.accepted.saturating_mul(100) / self.bodies.max(1);
        writeln!(f, "bodies      {} ({} bytes)", self.bodies, self.bytes)?;
        writeln!(
            f,
            "accepted    {} ({percent} %), of which MCP messages let pass: {}",
            self.accepted, self.passed
        )?;
        let faults: Vec<String> =
            self.refused.iter().map(|(fault, count)| format!("{fault} {count}")).collect();
        writeln!(f, "refused     {} ({})", self.bodies - self.accepted, faults.join(", "))?;
        writeln!(f, "{:>12} {:>10} {:>8}  parser", "compared", "different", "refused")?;
        for Contestant { recipe, parser, tally } in &self.contestants {
            let refused: u64 = tally.refused.values().sum();
            let note = match recipe.reading {
                Reading::Value => "",
                Reading::Operation => " (the operation of messages let pass)",
                Reading::Known => " (known to round some numbers otherwise; not counted)",
            };
            writeln!(
                f,
                "{:>12} {:>10} {refused:>8}  {}{note}",
                tally.compared, tally.different, parser.version
            )?;
            for (why, count) in tally.refused.iter().take(8) {
                writeln!(f, "{count:>32}  refused: {why}")?;
            }
        }
        Ok(())
    }
}
