use sallyport_engine::bundle::{Terms, frame};

use super::super::manifest::{DOCKER_IMAGE, IMAGE};
use super::*;

fn wasm() -> Vec<u8> {
    [WASM_MAGIC, &b"module ".repeat(100)].concat()
}

fn manifest(packed: &Packed) -> Manifest {
    Manifest::read(&packed.manifest, IMAGE).unwrap()
}

/// What would be downloaded of this.
fn unpack(packed: &Packed) -> Result<Vec<Vec<u8>>, Failure> {
    let plan = Plan::of(manifest(packed))?;
    let blob = |layer: &Descriptor| {
        let (_, bytes) = packed.blobs.iter().find(|(digest, _)| digest.as_str() == layer.digest).unwrap();
        assert_eq!(bytes.len() as u64, layer.size);
        bytes.clone()
    };
    plan.unpack(plan.layers.iter().map(blob).collect())
}

fn bundle(serial: u64, audience: Option<&str>) -> Vec<u8> {
    frame(b"policy", serial, &Terms { audience: audience.map(str::to_owned), ..Terms::default() }).unwrap()
}

/// Pinned: another digest for the same module would be another release to everybody who pins one.
#[test]
fn the_same_module_is_the_same_digest_for_ever() {
    for (layout, expected) in [
        (Layout::Image, "8f9493b3c88a0582a039429c8a35491cca227f87e598529224fa12bcb4088390"),
        (Layout::Artifact, "ff04928635e6ebeb229d91a3078283952b7e6cea1a685f4b7f379747819b653a"),
    ] {
        let packed = Packed::module(wasm(), layout, &Annotations::new()).unwrap();
        assert_eq!(Digest::of(&packed.manifest).hex(), expected, "{layout:?}");
        assert_eq!(unpack(&packed).unwrap(), [wasm()]);
    }
}

#[test]
fn an_image_is_what_istio_looks_for() {
    let packed = Packed::module(wasm(), Layout::Image, &Annotations::new()).unwrap();
    let manifest = manifest(&packed);
    assert_eq!(manifest.config.media_type, IMAGE_CONFIG);
    assert_eq!(manifest.annotations["module.wasm.image/variant"], "compat");
    let [layer] = &manifest.layers[..] else { panic!("one layer") };
    assert_eq!(layer.media_type, IMAGE_LAYER);
    let gzip = &packed.blobs[1].1;
    assert_eq!(gzip[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255], "no time, no system");
    let mut archive = tar::Archive::new(MultiGzDecoder::new(&gzip[..]));
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.path().unwrap().to_str(), Some("plugin.wasm"));
    let header = entry.header();
    assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.mode().unwrap()), (0, 0, 0o644));
    let config: serde_json::Value = serde_json::from_slice(&packed.blobs[0].1).unwrap();
    let mut tar = Vec::new();
    MultiGzDecoder::new(&gzip[..]).read_to_end(&mut tar).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], Digest::of(&tar).as_str());
    assert!(config["created"].is_null());
}

#[test]
fn bundles_go_together_by_audience_and_their_order_means_nothing() {
    let (all, tools) = (bundle(7, None), bundle(8, Some("tools/docs")));
    let notes = Annotations::from([("k".to_owned(), "v".to_owned())]);
    let one = Packed::bundles(vec![all.clone(), tools.clone()], &notes).unwrap();
    let other = Packed::bundles(vec![tools.clone(), all.clone()], &notes).unwrap();
    assert_eq!(one.manifest, other.manifest);
    let manifest = manifest(&one);
    assert_eq!(manifest.artifact_type.as_deref(), Some(BUNDLE));
    assert_eq!((manifest.config.media_type.as_str(), manifest.config.size), (EMPTY, 2));
    assert_eq!(manifest.annotations, notes);
    assert_eq!(manifest.layers[1].annotations["dev.sallyport.bundle.audience"], "tools/docs");
    assert_eq!(manifest.layers[1].annotations[TITLE], "for.tools.docs.bundle");
    assert_eq!(unpack(&one).unwrap(), [all.clone(), tools]);
    assert!(Packed::bundles(vec![all.clone(), bundle(9, None)], &notes).is_err(), "two for all");
    assert_eq!((file_name("").as_str(), file_name("all").as_str()), ("all.bundle", "for.all.bundle"));
}

/// An image as others make it.
fn image(media_type: &str, layer: Vec<u8>) -> Packed {
    let (config, notes) = (json!({}), Annotations::new());
    let empty = (IMAGE_LAYER, b"another layer".to_vec(), Annotations::new());
    Packed::new(None, (IMAGE_CONFIG, &config), vec![empty, (media_type, layer, Annotations::new())], notes)
        .unwrap()
}

fn tarball(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    compress(&archive.into_inner().unwrap()).unwrap()
}

#[test]
fn images_of_others_are_read_as_istio_reads_them() {
    let files: [(&str, &[u8]); 3] = [("etc/other", b"x"), ("some/where/plugin.wasm", &wasm()), ("z", b"")];
    for media_type in [IMAGE_LAYER, DOCKER_LAYER] {
        assert_eq!(unpack(&image(media_type, tarball(&files))).unwrap(), [wasm()]);
    }
    let docker = image(DOCKER_LAYER, tarball(&files)).manifest;
    let docker = String::from_utf8(docker).unwrap().replace(IMAGE, DOCKER_IMAGE);
    assert_eq!(
        Plan::of(Manifest::read(docker.as_bytes(), DOCKER_IMAGE).unwrap()).unwrap().kind,
        Kind::Module
    );
}

#[test]
fn what_holds_no_module_or_too_much_is_refused() {
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let bomb = compress(&vec![0; 2 * MAX_MODULE + 4096]).unwrap();
    let huge = {
        let mut header = tar::Header::new_gnu();
        header.set_size(MAX_MODULE as u64 + 1);
        header.set_path(PLUGIN).unwrap();
        header.set_cksum();
        compress(header.as_bytes()).unwrap()
    };
    for (what, packed) in [
        ("another layer", image("application/x", tarball(&[(PLUGIN, &wasm())]))),
        ("no such file", image(IMAGE_LAYER, tarball(&[("plugin.wasm.txt", &wasm())]))),
        ("no module", image(IMAGE_LAYER, tarball(&[(PLUGIN, b"<html>")]))),
        ("no gzip", image(IMAGE_LAYER, b"plain".to_vec())),
        ("half", image(IMAGE_LAYER, cut(tarball(&[(PLUGIN, &wasm().repeat(50))])))),
        ("a bomb", image(IMAGE_LAYER, bomb)),
        ("huge", image(IMAGE_LAYER, huge)),
    ] {
        assert!(matches!(unpack(&packed), Err(Failure::Refused(_))), "{what}");
    }
    let mut large = manifest(&Packed::bundles(vec![bundle(1, None)], &Annotations::new()).unwrap());
    large.layers[0].size = MAX_LEN as u64 + 1;
    assert!(matches!(Plan::of(large), Err(Failure::Refused(_))));
    let mut many = manifest(&Packed::bundles(vec![bundle(1, None)], &Annotations::new()).unwrap());
    many.layers = vec![many.layers[0].clone(); MAX_BUNDLES + 1];
    assert!(matches!(Plan::of(many), Err(Failure::Refused(_))));
    assert!(Kind::of(b"<html>").is_err() && Kind::of(&wasm()).is_ok());
}
