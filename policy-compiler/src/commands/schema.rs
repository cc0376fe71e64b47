//! `schema`: JSON Schema of policy and case files, from the tables that the reader walks; and of records, from theirs.

use std::process::ExitCode;

use super::print;
use crate::json_schema;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Of which files
    #[arg(value_enum, default_value_t)]
    of: Files,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
enum Files {
    /// Policy
    #[default]
    Policy,
    /// Cases
    Cases,
    /// Records of exchanges
    Record,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let schema = match args.of {
        Files::Policy => json_schema::policy(),
        Files::Cases => json_schema::cases(),
        Files::Record => json_schema::record(),
    };
    print(&page(&schema))
}

/// A schema as it is printed.
pub fn page(schema: &serde_json::Value) -> String {
    serde_json::to_string_pretty(schema).unwrap_or_default() + "\n"
}
