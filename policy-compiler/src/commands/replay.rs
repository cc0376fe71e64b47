//! `replay`: recorded exchanges under another policy.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Format, print};
use crate::Audience;
use crate::audit::{Filter, Record, Store, StoreError};
use crate::exit;
use crate::native::Native;
use crate::replay::{Summary, judge};
use crate::report::printable;

/// The longest line of a file of records, in bytes: a record in its envelope.
const MAX_LINE: u64 = 64 * 1024;
/// How many kinds of change are shown to people.
const SHOWN: usize = 50;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy to judge by: a directory, a file, or a compiled bundle
    #[arg(long, value_name = "PATH")]
    policy: PathBuf,
    /// Judge by the slice for this namespace or workload
    #[arg(long, value_name = "NAMESPACE[/WORKLOAD]", value_parser = Audience::parse)]
    audience: Option<Audience>,
    /// A file of records, as `audit export` writes it; `-` for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "store")]
    records: Option<PathBuf>,
    /// The store to take records from: a file (SQLite), or `postgres://user@host/database`
    #[arg(long, value_name = "STORE", conflicts_with = "records")]
    store: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A line of `audit export`.
#[derive(Deserialize)]
struct Exported<'a> {
    received: u64,
    #[serde(borrow)]
    proxy: Cow<'a, str>,
    #[serde(borrow)]
    record: &'a RawValue,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let (policy, report) = crate::load_policy_for(&args.policy, args.audience.as_ref());
    let Some(policy) = policy else { return args.format.refuse(&[&report]) };
    args.format.show(&[&report]);
    match replay(args, Native::of(policy)) {
        Ok(summary) => {
            let code = print(&match args.format {
                Format::Text => text(&summary),
                Format::Json => serde_json::to_string_pretty(&document(&summary)).unwrap_or_default() + "\n",
            });
            if code == exit::OK.into() && summary.changed > 0 { exit::FINDINGS.into() } else { code }
        }
        Err(why) => args.format.fail(&why),
    }
}

fn replay(args: &Args, mut native: Native) -> Result<Summary, String> {
    let mut summary = Summary::default();
    let mut take = |record: &Record| -> Result<(), String> {
        summary.add(record, judge(&mut native, record)?);
        Ok(())
    };
    match (&args.store, &args.records) {
        (Some(store), _) => {
            let told = |why: StoreError| format!("the audit store can not be read: {why}");
            let mut store = Store::named(store, false).map_err(told)?;
            args.filter
                .each(&mut store, |found| take(&found.record).map_err(StoreError::new))
                .map_err(told)?;
        }
        (None, Some(path)) => from_file(path, &args.filter, &mut take)?,
        (None, None) => {}
    }
    Ok(summary)
}

fn from_file(
    path: &Path,
    filter: &Filter,
    take: &mut impl FnMut(&Record) -> Result<(), String>,
) -> Result<(), String> {
    let told = |why: &dyn std::fmt::Display| format!("`{}`: {why}", path.display());
    let mut input: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|why| told(&why))?))
    };
    for number in 1_u64.. {
        let mut line = String::new();
        let read = input.by_ref().take(MAX_LINE).read_line(&mut line).map_err(|why| told(&why))?;
        if read == 0 {
            break;
        }
        let envelope = serde_json::from_str::<Exported<'_>>(&line).ok();
        let read = envelope
            .and_then(|envelope| Record::parse(envelope.record.get()).map(|record| (envelope, record)));
        let (Exported { received, proxy, .. }, record) =
            read.ok_or_else(|| told(&format!("line {number} is no record as `audit export` writes it")))?;
        if filter.wants(&proxy, received, &record) {
            take(&record)?;
        }
    }
    Ok(())
}

fn text(summary: &Summary) -> String {
    let mut out = String::new();
    let kinds = summary.kinds();
    for (kind, count) in kinds.iter().take(SHOWN) {
        let who = kind.agent.as_deref().or(kind.caller.as_deref()).unwrap_or("-");
        let operation = kind.operation.as_deref().unwrap_or("-");
        let to = kind.destination.as_deref().unwrap_or("-");
        out += &format!(
            "{count:>8}  {} -> {} ({} -> {})  {}: {} at {}\n",
            kind.was,
            kind.becomes,
            printable(&kind.was_reason),
            printable(&kind.becomes_reason),
            printable(who),
            printable(operation),
            printable(to)
        );
    }
    if kinds.len() > SHOWN {
        out += &format!(
            "          and {} more kinds of change: `--format json` has them\n",
            kinds.len() - SHOWN
        );
    }
    for (unknown, count) in &summary.unknown {
        out += &format!("{count:>8}  not known: {}\n", unknown.explained());
    }
    let Summary { records, same, changed, .. } = summary;
    out + &format!(
        "{records} records: {changed} would change, {same} would not, {} are not known\n",
        summary.unknown()
    )
}

fn document(summary: &Summary) -> serde_json::Value {
    let kinds: Vec<_> =
        summary.kinds().into_iter().map(|(kind, count)| json!({"count": count, "change": kind})).collect();
    let unknown: serde_json::Map<_, _> =
        summary.unknown.iter().map(|(unknown, count)| (unknown.word().to_owned(), json!(count))).collect();
    json!({
        "records": summary.records,
        "same": summary.same,
        "changed": summary.changed,
        "unknown": summary.unknown(),
        "changes": kinds,
        "unknownBy": unknown,
    })
}
