//! `sign`: signatures to a bundle.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{fail, print};
use crate::files::write_atomically;
use crate::keys::{self, SecretKey};
use crate::{bundle_file, exit};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The bundle
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// A file with a private key; may be given several times, as while keys are changed
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// Where to write the signed bundle, whole or not at all; over the one that is read if not given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match signed(args) {
        Ok(bytes) => {
            let output = args.output.as_ref().unwrap_or(&args.bundle);
            match write_atomically(output, &bytes) {
                Ok(()) => exit::OK.into(),
                Err(error) => fail(&format!("`{}` can not be written: {error}", output.display())),
            }
        }
        Err(why) => fail(&why),
    }
}

fn signed(args: &Args) -> Result<Vec<u8>, String> {
    let bytes = bundle_file(&args.bundle)?;
    let signed = keys::sign(&bytes, &secret_keys(&args.key)?);
    signed.map_err(|why| format!("`{}`: {why}", args.bundle.display()))
}

/// The private keys of these files.
pub(super) fn secret_keys(paths: &[PathBuf]) -> Result<Vec<SecretKey>, String> {
    let read = |path: &PathBuf| SecretKey::read(path).map_err(|why| told(path, &why));
    paths.iter().map(read).collect()
}

/// Why a key file cannot be used.
pub(super) fn told(path: &Path, why: &keys::KeyError) -> String {
    format!("the key `{}` can not be used: {why}", path.display())
}

/// Says what became of a bundle.
pub(super) fn say(text: &str) -> ExitCode {
    print(&format!("{text}\n"))
}
