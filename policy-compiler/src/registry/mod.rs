//! Modules and bundles in a container registry, by the OCI distribution protocol.
//!
//! ```text
//!  file ─► layout ─► manifest, blobs ─► client ─► http ─► registry        auth ◄── credentials (Docker's configuration)
//!  file ◄─ layout ◄─────────────────────┘  (each digest is checked before anything is believed)
//! ```

mod auth;
mod client;
mod credentials;
mod http;
mod layout;
mod manifest;
mod progress;
mod reference;
mod referrer;
mod signature;
mod signer;

pub(crate) use client::Client;
pub(crate) use layout::{BUNDLE, Kind, Layout, file_name};
pub(crate) use manifest::Annotations;
pub(crate) use progress::Progress;
pub(crate) use reference::{Digest, Reference, Version};
pub(crate) use referrer::attach;
pub(crate) use signature::{sign, verify};
pub(crate) use signer::Signer;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Builder;

use layout::{Packed, Plan};

/// How a registry is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// The CAs that its certificate must be from; those of the system if not given.
    pub(crate) ca: Option<PathBuf>,
    /// Without TLS.
    pub(crate) plain: bool,
    /// How often something that may pass is tried.
    pub(crate) tries: u32,
}

/// Why something did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It may work later: the registry is away or busy. Perhaps it says how long to wait.
    Passing(String, Option<Duration>),
    /// It will not work this way.
    Final(String),
    /// What is there is not what it should be, and is not taken.
    Refused(String),
}

/// What was downloaded, every digest checked.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) digest: Digest,
    pub(crate) kind: Kind,
    pub(crate) files: Vec<Vec<u8>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(why, _) | Self::Final(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

/// Uploads files of one kind, under the tag of the client's reference; the digest of what is there now.
pub(crate) async fn push(
    client: &Client,
    kind: Kind,
    mut files: Vec<Vec<u8>>,
    layout: Layout,
    annotations: &Annotations,
) -> Result<Digest, Failure> {
    let packed = match (kind, files.pop(), files.is_empty()) {
        (Kind::Module, Some(wasm), true) => Packed::module(wasm, layout, annotations)?,
        (Kind::Bundles, Some(last), _) => {
            files.push(last);
            Packed::bundles(files, annotations)?
        }
        _ => return Err(Failure::Final("one module goes alone".to_owned())),
    };
    for (digest, blob) in &packed.blobs {
        client.put_blob(digest, blob).await?;
    }
    client.put_manifest(&packed.manifest).await
}

/// Downloads what the client's reference names.
pub(crate) async fn pull(client: &Client) -> Result<Pulled, Failure> {
    let (digest, manifest) = client.manifest().await?;
    let plan = Plan::of(manifest)?;
    let mut layers = Vec::new();
    for layer in &plan.layers {
        layers.push(client.blob(layer).await?);
    }
    let files = plan.unpack(layers)?;
    Ok(Pulled { digest, kind: plan.kind, files })
}

/// Runs one task of this module to its end.
pub(crate) fn block_on<T>(task: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|why| Failure::Final(why.to_string()))?.block_on(task)
}
