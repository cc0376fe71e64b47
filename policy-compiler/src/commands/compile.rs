//! `compile`: policy to a bundle, as a file or as the configuration of a plugin.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sallyport_engine::policy::PolicyParts;
use sallyport_engine::{Policy, bundle};
use serde::Serialize;

use super::{fail, print, show};
use crate::Audience;
use crate::exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy: a directory, a file, or a compiled bundle
    #[arg(long, value_name = "PATH")]
    policy: PathBuf,
    /// Where to write the bundle; the file appears whole or not at all
    #[arg(short, long, value_name = "FILE", required_unless_present = "plugin_config")]
    output: Option<PathBuf>,
    /// Compile only what concerns this namespace or workload, by `audiences` of the Services
    #[arg(long, value_name = "NAMESPACE[/WORKLOAD]", value_parser = Audience::parse)]
    audience: Option<Audience>,
    /// The number of this publication; records and metrics show it
    #[arg(long, value_name = "N", default_value_t = 0)]
    serial: u64,
    /// Print the plugin configuration with the bundle in it, as a WasmPlugin's `pluginConfig` takes it
    #[arg(long)]
    plugin_config: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let (policy, report) = match &args.audience {
        Some(audience) => crate::compile_for(slice::from_ref(&args.policy), audience),
        None => crate::load_policy(&args.policy),
    };
    show(&report);
    let Some(policy) = policy else { return exit::BAD_INPUT.into() };
    let bytes = match with_serial(&policy, args.serial) {
        Ok(bytes) => bytes,
        Err(why) => return fail(&why),
    };
    if let Some(path) = &args.output
        && let Err(error) = write_atomically(path, &bytes)
    {
        return fail(&format!("`{}` can not be written: {error}", path.display()));
    }
    if args.plugin_config { print(&(plugin_config(&bytes) + "\n")) } else { exit::OK.into() }
}

/// The policy as a bundle with the given serial.
fn with_serial(policy: &Policy, serial: u64) -> Result<Vec<u8>, String> {
    if policy.parts().serial == serial {
        return bundle::encode(policy).map_err(|why| why.to_string());
    }
    let parts = PolicyParts { serial, ..policy.parts().clone() };
    let policy = Policy::new(parts).map_err(|why| why.to_string())?;
    bundle::encode(&policy).map_err(|why| why.to_string())
}

/// The configuration that the filter takes, with the bundle inline.
pub(super) fn plugin_config(bundle: &[u8]) -> String {
    #[derive(Serialize)]
    struct PluginConfig {
        bundle: String,
    }
    serde_json::to_string(&PluginConfig { bundle: STANDARD.encode(bundle) }).unwrap_or_default()
}

/// Writes beside the target, brings it to disk, then renames: a reader sees the old file or the new one, never a part.
pub(super) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The umask applies, as it does to any new file.
    let mut builder = tempfile::Builder::new();
    let mut file = builder.permissions(Permissions::from_mode(0o666)).tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_readable_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("policy.bundle");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o400, 0o400);
        assert!(write_atomically(&directory.path().join("none/x"), b"").is_err());
    }
}
