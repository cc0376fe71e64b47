//! The benchmarks of `make bench`. Exits with 0 whatever the numbers are, and with 1 where something could not be measured.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use mimalloc::MiMalloc;
use sallyport_tests::bench::{self, Part, authorizer, instructions};

/// The allocator of `policy-compiler`, whose speed is measured.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What a decision costs, natively and in wasm, and what the gate adds to a request in a real Envoy
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct CommandLine {
    /// How to print the numbers
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Measure only this part
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// How many requests a soak has
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Only {
    Decisions,
    Envoy,
    Scale,
    Bundles,
    Audit,
    Soak,
    Scan,
}

/// What this program is when it starts itself again.
#[derive(Debug, Subcommand)]
enum Role {
    /// The authorizer that allows everything.
    #[command(name = authorizer::SUBCOMMAND, hide = true)]
    Authorizer,
    /// Decisions of the engine, for valgrind to count.
    #[command(name = instructions::SUBCOMMAND, hide = true)]
    Count { bundle: PathBuf, subject: String, decisions: u32 },
}

fn main() -> ExitCode {
    match run(&CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: &CommandLine) -> Result<(), Box<dyn Error>> {
    match &line.role {
        Some(Role::Authorizer) => return authorizer::serve(),
        Some(Role::Count { bundle, subject, decisions }) => {
            return instructions::count(bundle, subject, *decisions);
        }
        None => {}
    }
    let report = bench::run(match line.only {
        None => Part::All,
        Some(Only::Decisions) => Part::Decisions,
        Some(Only::Envoy) => Part::Envoy,
        Some(Only::Scale) => Part::Scale,
        Some(Only::Bundles) => Part::Bundles,
        Some(Only::Audit) => Part::Audit,
        Some(Only::Soak) => Part::Soak(line.requests),
        Some(Only::Scan) => Part::Scan,
    })?;
    match line.format {
        Format::Text => print!("{report}"),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(())
}
