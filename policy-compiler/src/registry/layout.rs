//! What is put into a registry, and how it is found there again.
//!
//! A module goes as an image with one layer that holds `plugin.wasm`, or as an artifact of two layers; bundles go as an artifact with a
//! layer each. The same files, annotations and compiler give the same bytes: there is no time, no owner and no path in them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use bytes::Bytes;
use clap::ValueEnum;
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use sallyport_engine::bundle::{Bundle, MAX_LEN};
use serde_json::json;

use super::Failure;
use super::manifest::{Annotations, Descriptor, Manifest};
use super::reference::Digest;

/// What a bundle is, in HTTP and in registries.
pub(crate) const BUNDLE: &str = "application/vnd.sallyport.bundle";
/// The config of an artifact that has none (OCI image format 1.1).
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const IMAGE_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const WASM_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
const WASM_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
const TITLE: &str = "org.opencontainers.image.title";
/// The file in an image that Istio looks for.
const PLUGIN: &str = "plugin.wasm";
/// How a module for Envoy begins.
const WASM_MAGIC: &[u8] = b"\0asm\x01\0\0\0";
/// The largest module, unpacked. Istio's own limit is 256 MiB; ours weighs less than one.
const MAX_MODULE: usize = 64 * 1024 * 1024;
/// The most bundles together.
const MAX_BUNDLES: usize = 64;

/// How a module lies in a registry.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Layout {
    /// An image with one layer that holds `plugin.wasm`; every registry takes it
    #[default]
    Image,
    /// An artifact of two layers, the module as it is and what runs it
    Artifact,
}

/// What is in an artifact of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Module,
    Bundles,
}

/// Everything that is uploaded.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) manifest: Vec<u8>,
    pub(super) blobs: Vec<(Digest, Bytes)>,
}

/// What is to be downloaded, and how it is made of that.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    pub(super) layers: Vec<Descriptor>,
    wrapped: bool,
}

// === impl Kind ===

impl Kind {
    /// What a file is by its first bytes.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, String> {
        if bytes.starts_with(WASM_MAGIC) {
            return if bytes.len() <= MAX_MODULE {
                Ok(Self::Module)
            } else {
                Err("it is too large".to_owned())
            };
        }
        let bundle =
            Bundle::read(bytes).map_err(|why| format!("it is neither a module nor a bundle: {why}"))?;
        // A bundle is good only if all of it is.
        bundle.policy().map_err(|why| why.to_string())?;
        Ok(Self::Bundles)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Bundles => "bundles",
        }
    }

    /// The largest file of this kind.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Module => MAX_MODULE,
            Self::Bundles => MAX_LEN,
        }
    }
}

// === impl Packed ===

impl Packed {
    /// A module.
    pub(super) fn module(wasm: Vec<u8>, layout: Layout, annotations: &Annotations) -> Result<Self, Failure> {
        let mut notes = Annotations::new();
        match layout {
            Layout::Image => {
                // By this its kind is told apart from that of an artifact.
                notes.insert("module.wasm.image/variant".to_owned(), "compat".to_owned());
                notes.extend(annotations.clone());
                let tar = archive(&wasm).map_err(|why| Failure::Final(why.to_string()))?;
                // Keys in the order of the alphabet: so they are written, whatever the map is that holds them.
                let config = json!({
                    // As `docker build` writes it: what copies images by platform takes it for the usual one.
                    "architecture": "amd64",
                    "config": {},
                    "os": "linux",
                    "rootfs": {"diff_ids": [Digest::of(&tar).as_str()], "type": "layers"},
                });
                let layer = compress(&tar).map_err(|why| Failure::Final(why.to_string()))?;
                Self::new(
                    None,
                    (IMAGE_CONFIG, &config),
                    vec![(IMAGE_LAYER, layer, Annotations::new())],
                    notes,
                )
            }
            Layout::Artifact => {
                notes.extend(annotations.clone());
                let runtime = json!({
                    "abiVersions": ["0.2.1"],
                    "config": {"rootIds": []},
                    "type": "envoy_proxy",
                });
                let text = runtime.to_string().into_bytes();
                let layers = vec![
                    (WASM_CONFIG, text, title("runtime-config.json")),
                    (WASM_LAYER, wasm, title("filter.wasm")),
                ];
                Self::new(None, (WASM_CONFIG, &runtime), layers, notes)
            }
        }
    }

    /// Bundles, each for an audience of its own.
    pub(super) fn bundles(bundles: Vec<Vec<u8>>, annotations: &Annotations) -> Result<Self, Failure> {
        // By audience, so that the order on the command line means nothing.
        let mut sorted = BTreeMap::new();
        for bytes in bundles {
            let bundle = Bundle::read(&bytes).map_err(|why| Failure::Final(why.to_string()))?;
            let audience = bundle.audience().to_owned();
            let mut notes = title(&file_name(&audience));
            notes.insert("dev.sallyport.bundle.serial".to_owned(), bundle.serial().to_string());
            if !audience.is_empty() {
                notes.insert("dev.sallyport.bundle.audience".to_owned(), audience.clone());
            }
            if sorted.insert(audience, (BUNDLE, bytes, notes)).is_some() {
                return Err(Failure::Final("two bundles are for the same audience".to_owned()));
            }
        }
        if sorted.len() > MAX_BUNDLES {
            return Err(Failure::Final(format!("at most {MAX_BUNDLES} bundles go together")));
        }
        Self::new(Some(BUNDLE), (EMPTY, &json!({})), sorted.into_values().collect(), annotations.clone())
    }

    fn new(
        artifact_type: Option<&str>,
        (config_type, config): (&str, &serde_json::Value),
        layers: Vec<(&str, Vec<u8>, Annotations)>,
        annotations: Annotations,
    ) -> Result<Self, Failure> {
        let config = config.to_string().into_bytes();
        let descriptor = Descriptor::of(config_type, &config, Annotations::new());
        let described: Vec<_> =
            layers.iter().map(|(kind, bytes, notes)| Descriptor::of(kind, bytes, notes.clone())).collect();
        let manifest = Manifest::new(artifact_type, descriptor, described, annotations).bytes()?;
        let all = std::iter::once(config).chain(layers.into_iter().map(|(_, bytes, _)| bytes));
        let blobs = all.map(|bytes| (Digest::of(&bytes), Bytes::from(bytes))).collect();
        Ok(Self { manifest, blobs })
    }
}

// === impl Plan ===

impl Plan {
    /// What to download of this. Modules are looked for as Istio does.
    pub(super) fn of(manifest: Manifest) -> Result<Self, Failure> {
        let refuse = |why: String| Err(Failure::Refused(why));
        let mut layers = manifest.layers;
        let bundles = layers.iter().filter(|layer| layer.media_type == BUNDLE).count();
        let plan = if bundles > 0 {
            layers.retain(|layer| layer.media_type == BUNDLE);
            Self { kind: Kind::Bundles, layers, wrapped: false }
        } else if layers.iter().any(|layer| layer.media_type == WASM_LAYER) {
            layers.retain(|layer| layer.media_type == WASM_LAYER);
            layers.truncate(1);
            Self { kind: Kind::Module, layers, wrapped: false }
        } else {
            let last =
                layers.pop().filter(|last| [IMAGE_LAYER, DOCKER_LAYER].contains(&last.media_type.as_str()));
            let Some(last) = last else { return refuse("it holds neither a module nor bundles".to_owned()) };
            Self { kind: Kind::Module, layers: vec![last], wrapped: true }
        };
        if plan.layers.len() > MAX_BUNDLES {
            return refuse(format!("it holds more than {MAX_BUNDLES} bundles"));
        }
        let most = plan.kind.most() as u64;
        match plan.layers.iter().find(|layer| layer.size > most) {
            Some(layer) => {
                refuse(format!("a layer of {} bytes is larger than the {most} that we take", layer.size))
            }
            None => Ok(plan),
        }
    }

    /// The module or the bundles in what was downloaded.
    pub(super) fn unpack(&self, layers: Vec<Bytes>) -> Result<Vec<Vec<u8>>, Failure> {
        let files =
            layers.into_iter().map(|layer| if self.wrapped { plugin(&layer) } else { Ok(layer.to_vec()) });
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let is_module = |file: &Vec<u8>| file.starts_with(WASM_MAGIC);
        if self.kind == Kind::Module && !files.iter().all(is_module) {
            return Err(Failure::Refused("what is there as a module is none".to_owned()));
        }
        Ok(files)
    }
}

/// The name of a bundle's file by its audience; no audience makes another's.
pub(crate) fn file_name(audience: &str) -> String {
    // Audiences are of DNS labels, which have no dots.
    let name =
        if audience.is_empty() { "all".to_owned() } else { format!("for.{}", audience.replace('/', ".")) };
    format!("{name}.bundle")
}

fn title(name: &str) -> Annotations {
    [(TITLE.to_owned(), name.to_owned())].into()
}

/// A tar archive with the module in it, readable to all, and nothing that differs from machine to machine.
fn archive(wasm: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(wasm.len() as u64);
    let mut archive = tar::Builder::new(Vec::with_capacity(wasm.len() + 2048));
    archive.append_data(&mut header, PLUGIN, wasm)?;
    archive.into_inner()
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    // No time and no name of a system.
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The module in a layer of an image: the first file of that name, in whatever folder.
fn plugin(layer: &[u8]) -> Result<Vec<u8>, Failure> {
    let torn = |_| Failure::Refused("the layer is no gzipped tar archive".to_owned());
    // What is beside the module counts too: a layer that unpacks without end is given up.
    let limit = (MAX_MODULE as u64).saturating_mul(2);
    let mut archive = tar::Archive::new(MultiGzDecoder::new(layer).take(limit));
    for entry in archive.entries().map_err(torn)? {
        let entry = entry.map_err(torn)?;
        let is_plugin = entry.path().is_ok_and(|path| path.file_name().is_some_and(|name| name == PLUGIN));
        if !is_plugin || !entry.header().entry_type().is_file() {
            continue;
        }
        let size = entry.size();
        if size > MAX_MODULE as u64 {
            return Err(Failure::Refused(format!(
                "a module of {size} bytes is larger than the {MAX_MODULE} that we take"
            )));
        }
        let mut wasm = Vec::new();
        entry.take(size).read_to_end(&mut wasm).map_err(torn)?;
        return if wasm.len() as u64 == size {
            Ok(wasm)
        } else {
            Err(torn(std::io::ErrorKind::UnexpectedEof.into()))
        };
    }
    Err(Failure::Refused(format!("there is no `{PLUGIN}` in the layer")))
}

#[cfg(test)]
mod tests;
