//! Manifests of the OCI image format, as far as we write and read them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Failure;
use super::reference::Digest;

/// An image or artifact.
pub(super) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The same as Docker wrote it before; its layers mean the same.
pub(super) const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// What is asked for. Lists of images are named too: where there is one, we want to say so.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";
/// The most layers of what we take.
const MAX_LAYERS: usize = 128;

/// Notes on something; sorted, so that the same notes are the same bytes.
pub(crate) type Annotations = BTreeMap<String, String>;

/// What something is, and how to know it again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: Annotations,
}

/// What belongs together. Fields are written in this order.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    /// What it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: Annotations,
}

impl Descriptor {
    /// Of these bytes.
    pub(super) fn of(media_type: &str, bytes: &[u8], annotations: Annotations) -> Self {
        let digest = Digest::of(bytes).as_str().to_owned();
        Self { media_type: media_type.to_owned(), digest, size: bytes.len() as u64, annotations }
    }

    /// Its digest, if it is one that we can check.
    pub(super) fn checked(&self) -> Result<Digest, Failure> {
        Digest::parse(&self.digest)
            .ok_or_else(|| Failure::Refused("the manifest names a layer by no SHA-256".to_owned()))
    }
}

impl Manifest {
    /// An image or artifact of these parts.
    pub(super) fn new(
        artifact_type: Option<&str>,
        config: Descriptor,
        layers: Vec<Descriptor>,
        annotations: Annotations,
    ) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(IMAGE.to_owned()),
            artifact_type: artifact_type.map(str::to_owned),
            config,
            layers,
            subject: None,
            annotations,
        }
    }

    /// Its bytes, which its digest is of.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(self).map_err(|why| Failure::Final(why.to_string()))
    }

    /// Reads one. `content_type` is what the registry called it.
    pub(super) fn read(bytes: &[u8], content_type: &str) -> Result<Self, Failure> {
        let called = content_type.split(';').next().unwrap_or_default().trim();
        let refuse = |why: &str| Err(Failure::Refused(why.to_owned()));
        if called.ends_with(".index.v1+json") || called.ends_with(".list.v2+json") {
            return refuse("it is a list of images: name one of them by its digest");
        }
        let Ok(manifest) = serde_json::from_slice::<Self>(bytes) else {
            return refuse("the manifest is none of an image or artifact");
        };
        let named = manifest.media_type.as_deref().unwrap_or(IMAGE);
        if manifest.schema_version != 2 || ![IMAGE, DOCKER_IMAGE].contains(&named) {
            return refuse("the manifest is none of an image or artifact");
        }
        if manifest.layers.len() > MAX_LAYERS {
            return refuse("the manifest has too many layers");
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_the_same_bytes_every_time_and_reads_back() {
        let annotations = |keys: [&str; 2]| keys.map(|key| (key.to_owned(), "v".to_owned())).into();
        let one = Manifest::new(
            Some("application/x"),
            Descriptor::of("application/c", b"{}", Annotations::new()),
            vec![Descriptor::of("application/l", b"layer", annotations(["b", "a"]))],
            annotations(["d", "c"]),
        );
        let bytes = one.bytes().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.starts_with(r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/x","config":{"mediaType":"application/c","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"#), "{text}");
        assert!(
            text.ends_with(r#""annotations":{"a":"v","b":"v"}}],"annotations":{"c":"v","d":"v"}}"#),
            "{text}"
        );
        let read = Manifest::read(&bytes, IMAGE).unwrap();
        assert_eq!(read.bytes().unwrap(), bytes);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let list = Manifest::read(b"{}", "application/vnd.oci.image.index.v1+json; charset=utf-8");
        assert!(list.unwrap_err().to_string().contains("list of images"));
        let config = r#""config":{"mediaType":"c","digest":"d","size":1}"#;
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",{config},"layers":[]}}"#
        );
        let old = format!(r#"{{"schemaVersion":1,{config},"layers":[]}}"#);
        for bytes in ["", "[]", "<html>", "{}", &index, &old] {
            assert!(matches!(Manifest::read(bytes.as_bytes(), IMAGE), Err(Failure::Refused(_))), "{bytes}");
        }
        let descriptor =
            Descriptor { digest: "md5:0".to_owned(), ..Descriptor::of("x", b"", Annotations::new()) };
        assert!(descriptor.checked().is_err());
    }
}
