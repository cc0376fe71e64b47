//! `verify`: whether a filter with these keys would put a bundle into force.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use sallyport_engine::bundle::{Active, Bundle, Change, KeySet, PublicKey, Trust};

use super::sign::{say, told};
use super::{fail, moment};
use crate::{Audience, bundle_file, exit, keys};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bundle
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// A file with a public key that may sign; may be given several times
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// A file with a public key that no longer may
    #[arg(long, value_name = "FILE")]
    retired_key: Vec<PathBuf>,
    /// Whom the filter works for
    #[arg(long, value_name = "NAMESPACE[/WORKLOAD]", value_parser = Audience::parse)]
    audience: Option<Audience>,
    /// The bundle that is in force: an older one may not take its place
    #[arg(long, value_name = "BUNDLE")]
    in_force: Option<PathBuf>,
    /// The time to judge by, as 2026-11-21T10:00:00Z; now if not given
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<u64>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match verify(args) {
        Err(why) => fail(&why),
        Ok(Err(refusal)) => {
            eprintln!("refused: {refusal}");
            exit::FINDINGS.into()
        }
        Ok(Ok(accepted)) => say(&accepted),
    }
}

/// What is wrong with the command's input, or else with the bundle.
fn verify(args: &Args) -> Result<Result<String, String>, String> {
    let set = key_set(&args.key, &args.retired_key)?;
    let trust = Trust { keys: Some(set.clone()), audience: args.audience.as_ref().map(ToString::to_string) };
    let active = args.in_force.as_ref().map(|path| {
        let bytes = bundle_file(path)?;
        let read = Bundle::read(&bytes).map_err(|why| format!("`{}`: {why}", path.display()))?;
        Ok::<_, String>(Active { serial: read.serial(), digest: *read.digest() })
    });
    let active = active.transpose()?;
    let bytes = bundle_file(&args.bundle)?;
    let now = args.at.or_else(now);
    let judged = Bundle::read(&bytes).and_then(|bundle| {
        let change = trust.accept(active.as_ref(), &bundle, now)?;
        // A bundle is good only if all of it is.
        bundle.policy()?;
        let what = match change {
            Change::Replace => "may be put into force",
            Change::Nothing => "is in force",
        };
        Ok(format!("ok: serial {}, signed by key {}, {what}", bundle.serial(), set.verify(&bundle)?))
    });
    Ok(judged.map_err(|why| why.to_string()))
}

/// The keys that may sign and those that no longer may.
pub(super) fn key_set(active: &[PathBuf], retired: &[PathBuf]) -> Result<KeySet, String> {
    let set = KeySet::new(public_keys(active)?, public_keys(retired)?);
    let why = "the keys are no set: name 1 to 16 active and at most 16 retired ones, each once";
    set.ok_or_else(|| why.to_owned())
}

/// The time, in seconds since 1970.
pub(super) fn now() -> Option<u64> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn public_keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, String> {
    paths.iter().map(|path| keys::read_public(path).map_err(|why| told(path, &why))).collect()
}
