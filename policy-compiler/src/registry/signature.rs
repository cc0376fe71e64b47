//! Signatures as cosign keeps them: beside what is signed, under the tag `sha256-<hex>.sig`.
//!
//! A signature is a layer: a text that names the digest (the "simple signing" payload), with the signature of that text as an annotation. The
//! same key over the same digest gives the same bytes, as Ed25519 does. Limits: 128 signatures of one thing, 64 KiB a payload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::manifest::{Annotations, Descriptor, Manifest};
use super::reference::Digest;
use super::signer::Signer;
use super::{Client, Failure};
use crate::keys::SecretKey;

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What a payload says that it is.
const TYPE: &str = "cosign container image signature";
/// The longest payload, in bytes.
const MAX_PAYLOAD: u64 = 64 * 1024;
/// The most signatures of one thing.
const MAX_SIGNATURES: usize = 128;

/// What is signed; fields are written in this order.
#[derive(Deserialize, Serialize)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<serde_json::Value>,
}

#[derive(Deserialize, Serialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

/// What it was pushed as. Tags and repositories change; nobody compares it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// Signs what has this digest, and puts the signatures beside it. Those of others stay.
pub(crate) async fn sign(client: &Client, digest: &Digest, keys: &[SecretKey]) -> Result<(), Failure> {
    let beside = client.beside(&tag(digest));
    let payload = payload(client.name(), digest)?;
    let mut layers = match beside.find().await? {
        Some((_, manifest)) => manifest.layers,
        None => Vec::new(),
    };
    for key in keys {
        let signature = STANDARD.encode(key.sign_bytes(&payload));
        let notes = Annotations::from([(SIGNATURE.to_owned(), signature)]);
        let layer = Descriptor::of(PAYLOAD, &payload, notes);
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    if layers.len() > MAX_SIGNATURES {
        return Err(Failure::Final(format!("it has more than {MAX_SIGNATURES} signatures")));
    }
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    // As cosign writes it, without a time.
    let config = json!({
        "architecture": "",
        "config": {},
        "created": "0001-01-01T00:00:00Z",
        "os": "",
        "rootfs": {"diff_ids": diff_ids, "type": "layers"},
    });
    let config = config.to_string().into_bytes();
    let described = Descriptor::of(CONFIG, &config, Annotations::new());
    let manifest = Manifest::new(None, described, layers, Annotations::new()).bytes()?;
    for blob in [config, payload] {
        beside.put_blob(&Digest::of(&blob), &Bytes::from(blob)).await?;
    }
    beside.put_manifest(&manifest).await.map(drop)
}

/// Refuses what none of the keys signed.
pub(crate) async fn verify(client: &Client, digest: &Digest, keys: &[Signer]) -> Result<(), Failure> {
    let beside = client.beside(&tag(digest));
    let Some((_, manifest)) = beside.find().await? else {
        return Err(Failure::Refused("it has no signature".to_owned()));
    };
    let signed = manifest.layers.iter().filter(|layer| layer.media_type == PAYLOAD);
    for layer in signed.take(MAX_SIGNATURES) {
        if layer.size > MAX_PAYLOAD {
            continue;
        }
        let signature = layer.annotations.get(SIGNATURE).and_then(|text| STANDARD.decode(text).ok());
        let Some(signature) = signature else { continue };
        let payload = beside.blob(layer).await?;
        // Nothing is read of a payload before somebody known has signed it.
        if keys.iter().any(|key| key.signed(&payload, &signature)) && names(&payload, digest) {
            return Ok(());
        }
    }
    Err(Failure::Refused("none of its signatures is by one of these keys".to_owned()))
}

fn tag(digest: &Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

fn payload(name: String, digest: &Digest) -> Result<Vec<u8>, Failure> {
    let critical = Critical {
        identity: Identity { docker_reference: name },
        image: Image { docker_manifest_digest: digest.as_str().to_owned() },
        kind: TYPE.to_owned(),
    };
    let payload = Payload { critical, optional: None };
    serde_json::to_vec(&payload).map_err(|why| Failure::Final(why.to_string()))
}

/// Whether a payload is one, and of this digest.
fn names(payload: &[u8], digest: &Digest) -> bool {
    let payload = serde_json::from_slice::<Payload>(payload).ok();
    payload.is_some_and(|payload| {
        payload.critical.kind == TYPE && payload.critical.image.docker_manifest_digest == digest.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_one_digest() {
        let digest = Digest::of(b"x");
        let bytes = payload("registry.example/team/filter".to_owned(), &digest).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let start = r#"{"critical":{"identity":{"docker-reference":"registry.example/team/filter"},"image":{"docker-manifest-digest":"sha256:"#;
        assert!(text.starts_with(start), "{text}");
        assert!(
            text.ends_with(r#""},"type":"cosign container image signature"},"optional":null}"#),
            "{text}"
        );
        assert!(names(&bytes, &digest) && !names(&bytes, &Digest::of(b"y")));
        assert!(!names(text.replace("container", "other").as_bytes(), &digest) && !names(b"{}", &digest));
        assert_eq!(tag(&digest), format!("sha256-{}.sig", digest.hex()));
    }
}
