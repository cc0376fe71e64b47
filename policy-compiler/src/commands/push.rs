//! `push`: a module or bundles into a container registry.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::pull::{Reach, ended};
use super::sign::secret_keys;
use super::{Format, print};
use crate::files::read_at_most;
use crate::registry::{self, Annotations, Client, Failure, Kind, Layout, Progress, Reference, Version};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A module (`.wasm`), or bundles: one, or several for different audiences
    #[arg(value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Where to: `oci://host/repository:tag`
    #[arg(value_name = "REFERENCE", value_parser = Reference::parse)]
    reference: Reference,
    /// How a module lies in the registry
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// A note on it, as `org.opencontainers.image.revision=4f1c2a9`; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    annotation: Vec<(String, String)>,
    /// Sign what was pushed with the private key in this file, as cosign does; may be given several times
    #[arg(long, value_name = "FILE")]
    sign_with: Vec<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was done, for programs.
#[derive(Serialize)]
struct Pushed<'a> {
    url: String,
    sha256: &'a str,
    /// The same place, whatever becomes of the tag.
    pinned: String,
    kind: &'a str,
}

pub(super) fn run(args: Args) -> ExitCode {
    if matches!(args.reference.version, Version::Digest(_)) {
        return args.format.fail("a digest says what was pushed; name a tag to push to");
    }
    // Keys first: a mistake there costs no upload.
    let keys = match secret_keys(&args.sign_with) {
        Ok(keys) => keys,
        Err(why) => return args.format.fail(&why),
    };
    let (mut kinds, mut files) = (Vec::new(), Vec::new());
    for path in &args.files {
        let told = |why: &dyn std::fmt::Display| args.format.fail(&format!("`{}`: {why}", path.display()));
        let most = Kind::Module.most().max(Kind::Bundles.most());
        match read_at_most(path, most) {
            Ok(Some(bytes)) => match Kind::of(&bytes) {
                Ok(kind) => {
                    kinds.push(kind);
                    files.push(bytes);
                }
                Err(why) => return told(&why),
            },
            Ok(None) => return told(&"it is too large"),
            Err(why) => return told(&why),
        }
    }
    let first = kinds.first().copied().unwrap_or(Kind::Module);
    if kinds.iter().any(|kind| *kind != first) {
        return args.format.fail("a module and bundles do not go together: push each to a tag of its own");
    }
    let annotations: Annotations = args.annotation.into_iter().collect();
    let pushed = registry::block_on(async {
        let client = Client::new(&args.reference, &args.reach.access(), true, Progress::for_stderr())?;
        let digest = registry::push(&client, first, files, args.layout, &annotations).await?;
        if !keys.is_empty() {
            registry::sign(&client, &digest, &keys).await?;
        }
        Ok(digest)
    });
    let digest = match pushed {
        Ok(digest) => digest,
        // A registry that keeps something else than it was sent is no finding about what was sent.
        Err(Failure::Refused(why)) => return args.format.fail(&why),
        Err(failure) => return ended(&failure, args.format),
    };
    let (url, pinned) = (args.reference.to_string(), args.reference.at(&digest).to_string());
    match args.format {
        Format::Text => print(&format!("url: {url}\nsha256: {}\n", digest.hex())),
        Format::Json => {
            let pushed = Pushed { url, sha256: digest.hex(), pinned, kind: first.word() };
            print(&(serde_json::to_string_pretty(&pushed).unwrap_or_default() + "\n"))
        }
    }
}

fn annotation(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write it as `KEY=VALUE`")?;
    Ok((key.to_owned(), value.to_owned()))
}
