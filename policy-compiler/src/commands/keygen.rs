//! `keygen`: a key to sign bundles with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{fail, print};
use crate::keys::{self, SecretKey};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to write the private key, in PEM (PKCS#8), for its owner alone; the public key goes beside it, with `.pub` behind its name
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let public_path = beside(&args.output);
    let fails = |path: &Path, why: &dyn std::fmt::Display| fail(&format!("`{}`: {why}", path.display()));
    if public_path.exists() {
        return fails(&public_path, &"the file is there already, and keys are not overwritten: name another");
    }
    let key = match SecretKey::generate() {
        Ok(key) => key,
        Err(why) => return fail(&format!("no key can be made: {why}")),
    };
    let Some(public) = key.public() else { return fail("no key can be made: try again") };
    if let Err(why) = key.write_new(&args.output) {
        return fails(&args.output, &why);
    }
    if let Err(why) = keys::write_public(&public, &public_path) {
        return fails(&public_path, &why);
    }
    print(&format!(
        "key {}: private in {}, keep it secret; public in {}\n",
        public.id(),
        args.output.display(),
        public_path.display()
    ))
}

/// The file of the public key.
fn beside(private: &Path) -> PathBuf {
    let mut name = private.file_name().map(OsString::from).unwrap_or_default();
    name.push(".pub");
    private.with_file_name(name)
}
