//! The companion of a playground that keeps records: `serve --audit` as a process of its own, with the policy that the playground was
//! started with, before a gate that it knows by its certificate.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sallyport_engine::bundle::{self, PublicKey, Terms};
use sallyport_engine::{Policy, policy::PolicyParts};
use sallyport_playground::companion;
use sallyport_playground::envoy::{Companion, CompanionTls, Envoy};
use serde::Serialize;

use super::identities::Identities;
use crate::files::write_atomically;
use crate::keys::{self, SecretKey};

/// How long the last records may take to the companion when the playground ends.
const LAST_RECORDS: Duration = Duration::from_secs(3);
/// Longer than a gate waits before it looks for new records.
const LOOK: Duration = Duration::from_millis(250);

/// The companion, and what the gate needs to know of it.
#[derive(Debug)]
pub(super) struct Keeper {
    process: companion::Companion,
    address: SocketAddr,
    tls: CompanionTls,
    key: SecretKey,
    /// The policy, signed.
    pub(super) bundle: Vec<u8>,
    pub(super) kept: Kept,
}

/// Where records are, and what proves that nobody changed them.
#[derive(Debug, Serialize)]
pub(super) struct Kept {
    pub(super) store: PathBuf,
    /// The public key for `audit verify`.
    pub(super) key: PathBuf,
}

impl Keeper {
    /// Starts a companion that keeps records in `store`. The key of their chains is beside it; all else is in `directory`.
    pub(super) fn start(
        policy: &Policy,
        identities: &Identities,
        store: &Path,
        directory: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        let key = SecretKey::generate().map_err(|why| why.to_string())?;
        let bundle = signed(policy, &key)?;
        let bundles = directory.join("bundles");
        fs::create_dir_all(&bundles)?;
        write_atomically(&bundles.join("policy.bundle"), &bundle)?;
        let public = directory.join("policy.key.pub");
        write_atomically(&public, keys::public_pem(&public_of(&key)?).as_bytes())?;
        let audit_key = audit_key(store)?;
        let spiffe_id = identities.id_of("companion");
        let own = identities.server_ca.mint_server(&spiffe_id)?.write(directory, "companion")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").args(["--listen", "127.0.0.1:0"]);
        // What the environment says of another companion is not meant for this one.
        command.env_remove("SALLYPORT_AUDIT_STORE");
        let from: PathBuf = identities.id_of("gate").into();
        for (option, value) in [
            ("--bundles", &bundles),
            ("--key", &public),
            ("--tls-cert", &own.certificate),
            ("--tls-key", &own.key),
            ("--tls-client-ca", &identities.ca),
            ("--audit", &store.to_owned()),
            ("--audit-key", &audit_key),
            ("--audit-from", &from),
        ] {
            command.arg(option).arg(value);
        }
        let mut process = companion::Companion::spawn(command, Some(&directory.join("companion.log")))?;
        let address = process.announced("serving")?;
        let trusted_pem = identities.server_ca.certificate_pem();
        let tls = CompanionTls { own: identities.server.clone(), trusted_pem, spiffe_id };
        let kept =
            Kept { store: std::path::absolute(store)?, key: std::path::absolute(named(&audit_key, ".pub"))? };
        Ok(Self { process, address, tls, key, bundle, kept })
    }

    /// Where the gate finds it.
    pub(super) fn place(&self) -> Companion {
        Companion { address: self.address, tls: Some(self.tls.clone()) }
    }

    /// What the gate takes bundles by.
    pub(super) fn public(&self) -> Result<PublicKey, Box<dyn Error>> {
        public_of(&self.key)
    }

    /// Whether it still runs.
    pub(super) fn is_running(&mut self) -> bool {
        self.process.ended().is_ok_and(|status| status.is_none())
    }

    /// Waits until the gate has no more records for it, at most a few seconds.
    pub(super) fn settle(&self, envoy: &Envoy) {
        let begun = Instant::now();
        while begun.elapsed() < LAST_RECORDS {
            // A gate says how many wait when it looks for them, so the first answer may be of before.
            thread::sleep(LOOK);
            let waiting = envoy.stats("sallyport_audit_queued").unwrap_or_default();
            if waiting.values().all(|waiting| *waiting == 0) {
                return;
            }
        }
    }
}

impl Drop for Keeper {
    /// What it was given is durable already, so an end in disorder loses nothing.
    fn drop(&mut self) {
        let _ = self.process.stop();
    }
}

/// The policy as a bundle that a gate takes from a companion.
fn signed(policy: &Policy, key: &SecretKey) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut parts: PolicyParts = policy.parts().clone();
    if parts.serial == 0 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        parts.serial = u64::try_from(now.as_millis())?;
    }
    let policy = Policy::new(parts).map_err(|why| why.to_string())?;
    let bundle = bundle::encode_under(&policy, &Terms::default())?;
    Ok(keys::sign(&bundle, std::slice::from_ref(key))?)
}

/// The key of the store's chains, beside it: a store that is used again is signed by the key that it was signed by.
fn audit_key(store: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let path = named(store, ".key");
    if !path.exists() {
        let key = SecretKey::generate().map_err(|why| why.to_string())?;
        key.write_new(&path).map_err(|why| format!("`{}`: {why}", path.display()))?;
    }
    let key = SecretKey::read(&path).map_err(|why| format!("`{}`: {why}", path.display()))?;
    write_atomically(&named(&path, ".pub"), keys::public_pem(&public_of(&key)?).as_bytes())?;
    Ok(path)
}

fn public_of(key: &SecretKey) -> Result<PublicKey, Box<dyn Error>> {
    key.public().ok_or_else(|| "no key can be made: try again".into())
}

/// The path with this behind its last name.
fn named(path: &Path, end: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
