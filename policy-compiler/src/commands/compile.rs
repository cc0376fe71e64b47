//! `compile`: policy to a bundle, as a file or as the configuration of a plugin.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sallyport_engine::bundle::{Bundle, PublicKey, Terms};
use sallyport_engine::policy::PolicyParts;
use sallyport_engine::{Policy, bundle};
use serde::Serialize;

use super::sign::secret_keys;
use super::{fail, moment, print, show};
use crate::Audience;
use crate::files::write_atomically;
use crate::report::Report;
use crate::serve::requires_records;
use crate::{exit, keys};

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
    /// The number of this publication; records and metrics show it, and filters take only higher ones than they have [default: 0, or
    /// that of the bundle]
    #[arg(long, value_name = "N")]
    serial: Option<u64>,
    /// From when filters may put the bundle into force, as 2026-11-21T10:00:00Z [default: at once]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_before: Option<u64>,
    /// Until when they may; what is in force stays so [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    not_after: Option<u64>,
    /// Sign the bundle with the private key in this file; may be given several times
    #[arg(long, value_name = "FILE", requires = "serial")]
    sign_with: Vec<PathBuf>,
    /// Print the plugin configuration with the bundle in it, as a WasmPlugin's `pluginConfig` takes it; with the public keys of those who
    /// sign, and the audience
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
    if let Some(output) = args.output.as_deref().filter(|output| is_source(output, args, &report)) {
        let path = output.display();
        return fail(&format!("`{path}` is what is compiled: write the bundle to another file"));
    }
    let (bytes, keys) = match published(&policy, args) {
        Ok(published) => published,
        Err(why) => return fail(&why),
    };
    if let Some(path) = &args.output
        && let Err(error) = write_atomically(path, &bytes)
    {
        return fail(&format!("`{}` can not be written: {error}", path.display()));
    }
    if !args.plugin_config {
        return exit::OK.into();
    }
    if requires_records(&policy) {
        eprintln!(
            "note: with `overflow: required` the policy lets nothing go on that is not recorded, and this configuration names no \
             `companion` that takes records: until one is put in, every request is refused with `audit.unavailable`"
        );
    }
    let audience = args.audience.as_ref().map(ToString::to_string);
    print(&(plugin_config_for(&bytes, &keys, audience, None) + "\n"))
}

/// Whether a path is one of the files that were read, by whatever name.
fn is_source(output: &Path, args: &Args, report: &Report) -> bool {
    let Ok(output) = output.canonicalize() else { return false };
    let read = report.sources.ids().map(|id| Path::new(report.sources.name(id)));
    read.chain([args.policy.as_path()]).any(|path| path.canonicalize().is_ok_and(|path| path == output))
}

/// The policy as a bundle with the terms and signatures that are asked for, and the keys that signed it.
fn published(policy: &Policy, args: &Args) -> Result<(Vec<u8>, Vec<PublicKey>), String> {
    let keys = secret_keys(&args.sign_with)?;
    let terms = terms(args);
    let serial = args.serial.unwrap_or(policy.parts().serial);
    let encoded = if policy.parts().serial == serial {
        bundle::encode_under(policy, &terms)
    } else {
        let parts = PolicyParts { serial, ..policy.parts().clone() };
        bundle::encode_under(&Policy::new(parts).map_err(|why| why.to_string())?, &terms)
    };
    if terms.not_after <= terms.not_before {
        return Err("`--not-after` is not later than `--not-before`".to_owned());
    }
    let bytes = encoded.map_err(|why| why.to_string())?;
    let bytes =
        if keys.is_empty() { bytes } else { keys::sign(&bytes, &keys).map_err(|why| why.to_string())? };
    Ok((bytes, keys.iter().filter_map(keys::SecretKey::public).collect()))
}

/// What is asked for; where nothing is said, what the bundle says that is compiled anew.
fn terms(args: &Args) -> Terms {
    let given = crate::bundle_file(&args.policy).ok();
    let given = given.as_ref().and_then(|bytes| Bundle::read(bytes).ok());
    let valid = given.as_ref().map(Bundle::valid);
    let audience = given.as_ref().map(Bundle::audience).filter(|audience| !audience.is_empty());
    Terms {
        not_before: args.not_before.or(valid.as_ref().map(|valid| valid.start)).unwrap_or(0),
        not_after: args.not_after.or(valid.map(|valid| valid.end)).unwrap_or(u64::MAX),
        audience: args.audience.as_ref().map(ToString::to_string).or(audience.map(str::to_owned)),
    }
}

/// The configuration that the filter takes, with a bundle inline that need not be signed.
pub(super) fn plugin_config(bundle: &[u8]) -> String {
    plugin_config_for(bundle, &[], None, None)
}

/// The same with a signed bundle, for a filter that follows the companion behind a cluster of that name.
pub(super) fn following_config(bundle: &[u8], key: PublicKey, cluster: &str) -> String {
    plugin_config_for(bundle, &[key], None, Some(cluster))
}

fn plugin_config_for(
    bundle: &[u8],
    keys: &[PublicKey],
    audience: Option<String>,
    companion: Option<&str>,
) -> String {
    #[derive(Serialize)]
    struct Companion<'a> {
        cluster: &'a str,
        authority: &'a str,
    }
    #[derive(Serialize)]
    struct PluginConfig<'a> {
        bundle: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        keys: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        audience: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        companion: Option<Companion<'a>>,
    }
    let companion = companion.map(|cluster| Companion { cluster, authority: cluster });
    let keys = keys.iter().map(|key| STANDARD.encode(key.to_bytes())).collect();
    serde_json::to_string(&PluginConfig { bundle: STANDARD.encode(bundle), keys, audience, companion })
        .unwrap_or_default()
}
