//! The program: see `HELP`.

use lexopt::prelude::*;
use sallyport_differential::compare::Comparison;
use sallyport_differential::generate::Generator;
use sallyport_differential::operation::Gate;
use sallyport_differential::parser::{BATCH, Recipe};
use sallyport_differential::{canonical, suite};
use sallyport_engine::json::Document;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const HELP: &str = "\
Compares the engine's JSON reader with other parsers

  differential compare --parsers FILE --gate BUNDLE [--bodies N] [--seed N] [--seconds N] [--keep DIR]
      puts the suite and N generated bodies (default 20000) to every parser of FILE, for at most so many seconds;
      BUNDLE says which MCP messages pass; bodies that are read differently are kept in DIR; exit 1 if there are any
  differential bodies --into DIR [--bodies N] [--seed N]
      writes the suite and N generated bodies as files";

struct Arguments {
    command: String,
    parsers: PathBuf,
    gate: PathBuf,
    bodies: u64,
    seed: u64,
    seconds: u64,
    directory: PathBuf,
}

fn main() -> ExitCode {
    let outcome = arguments().and_then(|arguments| match arguments.command.as_str() {
        "compare" => compare(&arguments),
        "bodies" => write_bodies(&arguments).map(|()| true),
        _ => Err(HELP.into()),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut found = Arguments {
        command: String::new(),
        parsers: PathBuf::new(),
        gate: PathBuf::new(),
        bodies: 20_000,
        seed: 1,
        seconds: 24 * 3600,
        directory: PathBuf::from("disagreements"),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("parsers") => found.parsers = parser.value()?.into(),
            Long("gate") => found.gate = parser.value()?.into(),
            Long("bodies") => found.bodies = parser.value()?.parse()?,
            Long("seed") => found.seed = parser.value()?.parse()?,
            Long("seconds") => found.seconds = parser.value()?.parse()?,
            Long("keep" | "into") => found.directory = parser.value()?.into(),
            Long("help") | Short('h') => return Err(HELP.into()),
            Value(command) if found.command.is_empty() => found.command = command.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(found)
}

/// Whether all agree.
fn compare(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let unreadable = |path: &Path, why: &dyn Error| format!("`{}` can not be used: {why}", path.display());
    let list =
        std::fs::read_to_string(&arguments.parsers).map_err(|why| unreadable(&arguments.parsers, &why))?;
    let bundle = std::fs::read(&arguments.gate).map_err(|why| unreadable(&arguments.gate, &why))?;
    let gate = Gate::load(&bundle).map_err(|why| unreadable(&arguments.gate, &why))?;
    let recipe = |line| Recipe::parse(line).ok_or_else(|| format!("`{line}` names no parser"));
    let recipes: Vec<Recipe> = list.lines().map(recipe).collect::<Result<_, _>>()?;
    let started = Instant::now();
    let mut comparison = Comparison::start(gate, recipes)?;
    comparison.add(suite::cases().map(|case| case.text.to_vec()))?;
    let generator = Generator::new(arguments.seed);
    let (mut next, batch) = (0, u64::try_from(BATCH)?);
    let mut told = Duration::ZERO;
    while next < arguments.bodies && started.elapsed() < Duration::from_secs(arguments.seconds) {
        let until = arguments.bodies.min(next + 2 * batch);
        comparison.add((next..until).map(|index| generator.body(index)))?;
        next = until;
        if started.elapsed() > told + Duration::from_secs(20) {
            told = started.elapsed();
            eprintln!(
                "==> {next} bodies in {} s, {} disagreements",
                told.as_secs(),
                comparison.disagreements()
            );
        }
    }
    println!("seed        {}, {} s", arguments.seed, started.elapsed().as_secs());
    print!("{comparison}");
    keep(&comparison, &arguments.directory)?;
    println!("disagreements: {}", comparison.disagreements());
    let deaf = comparison.deaf();
    if !deaf.is_empty() {
        println!("these refuse so much that they prove nothing: {}", deaf.join(", "));
    }
    Ok(comparison.disagreements() == 0 && deaf.is_empty())
}

/// Writes down what was read differently, with both readings.
fn keep(comparison: &Comparison, directory: &Path) -> Result<(), Box<dyn Error>> {
    for (name, tally) in comparison.tallies() {
        for (number, body) in tally.kept.iter().enumerate() {
            std::fs::create_dir_all(directory)?;
            let file = directory.join(format!("{}-{number:02}", name.replace([' ', '/'], "-")));
            std::fs::write(file.with_extension("json"), body)?;
            let ours: String = Document::parse(body).map(|document| {
                canonical::of_document(&document).iter().map(|byte| format!("{byte:02x}")).collect()
            })?;
            let theirs = comparison.show(name, body)?;
            std::fs::write(file.with_extension("txt"), format!("{ours}\n{theirs:?}\n"))?;
        }
    }
    Ok(())
}

fn write_bodies(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&arguments.directory)?;
    let write = |name: String, body: &[u8]| std::fs::write(arguments.directory.join(name), body);
    for (number, case) in suite::cases().enumerate() {
        write(format!("suite-{number:03}"), &case.text)?;
    }
    let generator = Generator::new(arguments.seed);
    (0..arguments.bodies).try_for_each(|index| write(format!("body-{index:05}"), &generator.body(index)))?;
    Ok(())
}
