//! `pull`: a module or bundles from a container registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sallyport_engine::bundle::{Bundle, Trust};
use serde::Serialize;

use super::sign::told;
use super::verify::{key_set, now};
use super::{Format, print};
use crate::files::write_atomically;
use crate::registry::{
    self, Access, Client, Digest, Failure, Kind, Progress, Pulled, Reference, Signer, file_name,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What: `oci://host/repository:tag` or `oci://host/repository@sha256:DIGEST`
    #[arg(value_name = "REFERENCE", value_parser = Reference::parse)]
    reference: Reference,
    /// Where to write it, whole or not at all; a folder that is there gets a file for each bundle
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// A file with a public key: bundles that it did not sign are not written; may be given several times
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// A file with a public key that may no longer sign
    #[arg(long, value_name = "FILE", requires = "key")]
    retired_key: Vec<PathBuf>,
    /// A file with a public key, Ed25519 or ECDSA over P-256: what has no signature of it, as cosign and `push --sign-with` make them, is
    /// not written; may be given several times, then one of them must have signed
    #[arg(long, value_name = "FILE")]
    verify_with: Vec<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How the registry is reached.
#[derive(Debug, clap::Args)]
pub(super) struct Reach {
    /// The CAs that the registry's certificate must be from, in PEM; those of the system if not given
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Without TLS; credentials are then sent only to this machine itself
    #[arg(long, conflicts_with = "ca_file")]
    plain_http: bool,
    /// How often to try what may pass: connections that fail, a registry that is busy
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10))]
    tries: u32,
}

/// What was done, for programs.
#[derive(Serialize)]
struct Written<'a> {
    url: String,
    sha256: &'a str,
    pinned: String,
    kind: &'a str,
    files: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    path: String,
    sha256: String,
    bytes: usize,
}

impl Reach {
    pub(super) fn access(&self) -> Access {
        Access { ca: self.ca_file.clone(), plain: self.plain_http, tries: self.tries }
    }
}

pub(super) fn run(args: &Args) -> ExitCode {
    // Keys first: a mistake there costs no download.
    let keys = (!args.key.is_empty()).then(|| key_set(&args.key, &args.retired_key)).transpose();
    let trust = match keys {
        Ok(keys) => Trust { keys, audience: None },
        Err(why) => return args.format.fail(&why),
    };
    let signer = |path: &PathBuf| Signer::read(path).map_err(|why| told(path, &why));
    let signers = match args.verify_with.iter().map(signer).collect::<Result<Vec<_>, _>>() {
        Ok(signers) => signers,
        Err(why) => return args.format.fail(&why),
    };
    let pulled = registry::block_on(async {
        let client = Client::new(&args.reference, &args.reach.access(), false, Progress::for_stderr())?;
        let pulled = registry::pull(&client).await?;
        if !signers.is_empty() {
            registry::verify(&client, &pulled.digest, &signers).await?;
        }
        judge(&pulled, &trust)?;
        Ok(pulled)
    });
    match pulled {
        Ok(pulled) => match write(&args.output, &pulled) {
            Ok(files) => tell(args, &pulled, files),
            Err(why) => args.format.fail(&why),
        },
        Err(failure) => ended(&failure, args.format),
    }
}

/// Whether what was pulled may be written.
fn judge(pulled: &Pulled, trust: &Trust) -> Result<(), Failure> {
    if pulled.kind == Kind::Module {
        return match trust.keys {
            None => Ok(()),
            Some(_) => Err(Failure::Final(
                "this is a module, and `--key` is for bundles: pin a module by its digest, or name who signed it with `--verify-with`".to_owned(),
            )),
        };
    }
    for bytes in &pulled.files {
        let judged = Bundle::read(bytes).and_then(|bundle| {
            trust.accept(None, &bundle, now())?;
            // A bundle is good only if all of it is.
            bundle.policy().map(drop)
        });
        judged.map_err(|why| Failure::Refused(why.to_string()))?;
    }
    Ok(())
}

/// Writes what was pulled; the paths, with what was written to each.
fn write(output: &Path, pulled: &Pulled) -> Result<Vec<Entry>, String> {
    let into_folder = output.is_dir();
    if !into_folder && pulled.files.len() > 1 {
        return Err(format!(
            "there are {} bundles: name a folder for them, with `--output`",
            pulled.files.len()
        ));
    }
    let mut written = Vec::new();
    for bytes in &pulled.files {
        let name = match pulled.kind {
            Kind::Module => "plugin.wasm".to_owned(),
            Kind::Bundles => file_name(Bundle::read(bytes).map_err(|why| why.to_string())?.audience()),
        };
        let path = if into_folder { output.join(name) } else { output.to_owned() };
        let told = |why| format!("`{}` can not be written: {why}", path.display());
        if fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_symlink()) {
            return Err(format!("`{}` is no file that could be replaced", path.display()));
        }
        write_atomically(&path, bytes).map_err(told)?;
        let sha256 = Digest::of(bytes).hex().to_owned();
        written.push(Entry { path: path.display().to_string(), sha256, bytes: bytes.len() });
    }
    Ok(written)
}

fn tell(args: &Args, pulled: &Pulled, files: Vec<Entry>) -> ExitCode {
    let url = args.reference.to_string();
    match args.format {
        Format::Text => {
            let lines = files.iter().map(|file| format!("wrote {} ({} bytes)\n", file.path, file.bytes));
            let lines: String = lines.collect();
            print(&format!("url: {url}\nsha256: {}\n{lines}", pulled.digest.hex()))
        }
        Format::Json => {
            let pinned = args.reference.at(&pulled.digest).to_string();
            let written =
                Written { url, sha256: pulled.digest.hex(), pinned, kind: pulled.kind.word(), files };
            print(&(serde_json::to_string_pretty(&written).unwrap_or_default() + "\n"))
        }
    }
}

/// Says why nothing came of it.
pub(super) fn ended(failure: &Failure, format: Format) -> ExitCode {
    match failure {
        Failure::Refused(why) => format.finding(why),
        Failure::Passing(why, _) | Failure::Final(why) => format.fail(why),
    }
}
