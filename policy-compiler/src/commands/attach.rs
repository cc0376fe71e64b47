//! `attach`: a file that refers to something in a container registry.

use std::path::PathBuf;
use std::process::ExitCode;

use super::pull::{Reach, ended};
use super::sign::secret_keys;
use super::{Format, fail, print};
use crate::files::read_at_most;
use crate::registry::{self, Client, Failure, Progress, Reference};

/// The largest file, in bytes.
const MAX_FILE: usize = 32 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is about: `oci://host/repository:tag`, or by digest
    #[arg(value_name = "REFERENCE", value_parser = Reference::parse)]
    reference: Reference,
    /// What the file is, as `application/vnd.cyclonedx+json` or `application/vnd.in-toto+json`
    #[arg(long = "type", value_name = "MEDIA-TYPE", value_parser = media_type)]
    kind: String,
    /// Sign what was attached with the private key in this file, as `push --sign-with` does; may be given several times
    #[arg(long, value_name = "FILE")]
    sign_with: Vec<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let keys = match secret_keys(&args.sign_with) {
        Ok(keys) => keys,
        Err(why) => return fail(&why),
    };
    let told = |why: &dyn std::fmt::Display| fail(&format!("`{}`: {why}", args.file.display()));
    let file = match read_at_most(&args.file, MAX_FILE) {
        Ok(Some(file)) => file,
        Ok(None) => return told(&"it is too large"),
        Err(why) => return told(&why),
    };
    let attached = registry::block_on(async {
        let client = Client::new(&args.reference, &args.reach.access(), true, Progress::for_stderr())?;
        let (subject, digest) = registry::attach(&client, &args.kind, file).await?;
        if !keys.is_empty() {
            registry::sign(&client, &digest, &keys).await?;
        }
        Ok::<_, Failure>((subject, digest))
    });
    match attached {
        Ok((subject, digest)) => {
            print(&format!("url: {}\nsubject: {}\n", args.reference.at(&digest), subject.as_str()))
        }
        Err(failure) => ended(&failure, Format::Text),
    }
}

/// A type as RFC 6838 has it, without parameters.
fn media_type(text: &str) -> Result<String, String> {
    let is_word = |word: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !word.is_empty() && word.len() <= 127 && word.bytes().all(inner)
    };
    let both = text.split_once('/');
    let known = both.is_some_and(|(kind, name)| is_word(kind) && is_word(name));
    if known { Ok(text.to_owned()) } else { Err("write it as `application/vnd.cyclonedx+json`".to_owned()) }
}
