//! What refers to something in a registry: a bill of materials, a statement of how it was built (OCI image format 1.1, `subject`).
//!
//! A registry that keeps no list of referrers gets one from us, under the tag `sha256-<hex>` as the distribution specification has it. Limits: 32
//! MiB for a file, 256 referrers in such a list.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::manifest::{Annotations, Descriptor, IMAGE, Manifest};
use super::reference::Digest;
use super::{Client, Failure};

/// A list of manifests.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The config of an artifact that has none.
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");
const MAX_REFERRERS: usize = 256;

/// The list; fields are written in this order.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: String,
    manifests: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
}

/// Uploads a file of this type, which refers to what the client's reference names; the digests of both.
pub(crate) async fn attach(client: &Client, kind: &str, file: Vec<u8>) -> Result<(Digest, Digest), Failure> {
    let (subject, bytes) = client.manifest_bytes().await?;
    let layer = Descriptor::of(kind, &file, Annotations::new());
    let config = Descriptor::of(EMPTY.0, EMPTY.1, Annotations::new());
    let mut manifest = Manifest::new(Some(kind), config, vec![layer], Annotations::new());
    manifest.subject = Some(Descriptor::of(IMAGE, &bytes, Annotations::new()));
    let manifest = manifest.bytes()?;
    for blob in [EMPTY.1.to_vec(), file] {
        client.put_blob(&Digest::of(&blob), &Bytes::from(blob)).await?;
    }
    let digest = client.by(&Digest::of(&manifest)).put(&manifest, IMAGE).await?;
    if !client.lists_referrers(&subject).await? {
        let described = Descriptor::of(IMAGE, &manifest, Annotations::new());
        list(client, &subject, Entry { descriptor: described, artifact_type: Some(kind.to_owned()) }).await?;
    }
    Ok((subject, digest))
}

/// Puts an entry into the list that is kept under a tag. Those of others stay.
async fn list(client: &Client, subject: &Digest, entry: Entry) -> Result<(), Failure> {
    let tagged = client.beside(&format!("sha256-{}", subject.hex()));
    let mut index = match tagged.index().await? {
        Some(bytes) => serde_json::from_slice::<Index>(&bytes)
            .map_err(|_| Failure::Refused("the list of referrers is none".to_owned()))?,
        None => Index { schema_version: 2, media_type: INDEX.to_owned(), manifests: Vec::new() },
    };
    if index.manifests.iter().any(|known| known.descriptor.digest == entry.descriptor.digest) {
        return Ok(());
    }
    index.manifests.push(entry);
    if index.manifests.len() > MAX_REFERRERS {
        return Err(Failure::Final(format!("it has more than {MAX_REFERRERS} referrers")));
    }
    let bytes = serde_json::to_vec(&index).map_err(|why| Failure::Final(why.to_string()))?;
    tagged.put(&bytes, INDEX).await.map(drop)
}
