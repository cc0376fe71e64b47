//! `audit verify` and `audit heads`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sallyport_engine::bundle::PublicKey;
use serde::Serialize;

use super::super::{Format, print};
use super::{Named, told};
use crate::audit::{Checked, Head, Report, Signed, Together, verify};
use crate::report::printable;
use crate::{exit, files, keys};

/// The longest file of exported heads, in bytes.
const MAX_HEADS: usize = 64 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    named: Named,
    /// A file with a public key that signs heads; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// Heads that `audit heads` wrote before: what they tell of must still be there
    #[arg(long, value_name = "FILE")]
    heads: Vec<PathBuf>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct HeadsArgs {
    #[command(flatten)]
    named: Named,
}

/// What is printed for programs.
#[derive(Serialize)]
struct Document {
    good: bool,
    chains: Vec<ChainDocument>,
    /// What is wrong with the chains together.
    wrong: Option<String>,
    stray: u64,
}

#[derive(Serialize)]
struct ChainDocument {
    proxy: String,
    verified: bool,
    records: u64,
    retired: u64,
    length: u64,
    missing: u64,
    dropped: u64,
    wrong: Option<String>,
}

impl Args {
    pub(super) fn format(&self) -> Format {
        self.format
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, String> {
    let trusted = args
        .key
        .iter()
        .map(|path| keys::read_public(path).map_err(|why| format!("`{}`: {why}", path.display())));
    let trusted: Vec<PublicKey> = trusted.collect::<Result<_, _>>()?;
    let exported = args.heads.iter().map(|path| read_heads(path)).collect::<Result<Vec<_>, _>>()?.concat();
    let report = verify(&mut args.named.open()?, &trusted, &exported).map_err(told)?;
    let text = match args.format {
        Format::Text => text(&report),
        Format::Json => serde_json::to_string_pretty(&document(&report)).unwrap_or_default() + "\n",
    };
    let code = print(&text);
    Ok(if code == exit::OK.into() && !report.is_good() { exit::FINDINGS.into() } else { code })
}

pub(super) fn heads(args: &HeadsArgs) -> Result<ExitCode, String> {
    let chains = args.named.open()?.chains().map_err(told)?;
    let lines =
        chains.iter().map(|chain| serde_json::to_string(&chain.signed.export()).unwrap_or_default() + "\n");
    Ok(print(&lines.collect::<String>()))
}

fn read_heads(path: &Path) -> Result<Vec<Signed>, String> {
    let named = |why: &dyn std::fmt::Display| format!("`{}`: {why}", path.display());
    let bytes = files::read_at_most(path, MAX_HEADS).map_err(|why| named(&why))?;
    let bytes = bytes.ok_or_else(|| named(&"it is longer than 64 MiB"))?;
    let text = String::from_utf8(bytes).map_err(|_| named(&"it is not text"))?;
    let read = text.lines().map(|line| serde_json::from_str::<Head>(line).ok().and_then(|head| head.read()));
    read.collect::<Option<_>>().ok_or_else(|| named(&"it is not what `audit heads` prints"))
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    for chain in &report.chains {
        let extent = &chain.signed.extent;
        let name = printable(extent.proxy.as_str());
        let gaps = match (chain.missing, chain.dropped) {
            (0, 0) => String::new(),
            (missing, dropped) if missing <= dropped => {
                format!("; {missing} never came, as the proxy said ({dropped} dropped)")
            }
            (missing, dropped) => format!("; {missing} never came, and the proxy tells of {dropped} dropped"),
        };
        let retired =
            if extent.retired > 0 { format!(", {} retired", extent.retired) } else { String::new() };
        match &chain.wrong {
            None => out += &format!("good   {name}: {} records{retired}{gaps}\n", chain.good),
            Some(wrong) => {
                out += &format!("WRONG  {name}: {wrong}; {} records before are good{gaps}\n", chain.good)
            }
        }
    }
    for (proxy, wrong) in &report.wrong {
        out += &format!("WRONG  {}: {wrong}\n", printable(proxy.as_str()));
    }
    if let Some(wrong) = &report.together {
        out += &format!("WRONG  {wrong}\n");
    }
    if report.stray > 0 {
        out += &format!("WRONG  {} records belong to no chain\n", report.stray);
    }
    let records: u64 = report.chains.iter().map(|chain| chain.good).sum();
    let verdict = if report.is_good() { "as they were received" } else { "NOT as they were received" };
    out + &format!("{} chains, {records} good records: {verdict}\n", report.chains.len())
}

fn document(report: &Report) -> Document {
    let listed = report.chains.iter().map(|chain: &Checked| ChainDocument {
        proxy: chain.signed.extent.proxy.as_str().to_owned(),
        verified: chain.signed.extent.proxy.is_verified(),
        records: chain.good,
        retired: chain.signed.extent.retired,
        length: chain.signed.extent.length,
        missing: chain.missing,
        dropped: chain.dropped,
        wrong: chain.wrong.as_ref().map(ToString::to_string),
    });
    let gone = report.wrong.iter().map(|(proxy, wrong)| ChainDocument {
        proxy: proxy.as_str().to_owned(),
        verified: proxy.is_verified(),
        records: 0,
        retired: 0,
        length: 0,
        missing: 0,
        dropped: 0,
        wrong: Some(wrong.to_string()),
    });
    Document {
        good: report.is_good(),
        chains: listed.chain(gone).collect(),
        wrong: report.together.as_ref().map(Together::to_string),
        stray: report.stray,
    }
}
