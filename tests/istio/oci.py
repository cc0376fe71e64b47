"""A real registry, and an image with the module in it as Istio's agents want one."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from machine import Machine, Process, run, wait_for

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def serve(machine: Machine, inside: list[str], address: str) -> Process:
    """Debian's docker-registry, on plain HTTP."""
    config = machine.folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {machine.folder}/registry}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )
    registry = machine.start("registry", [*inside, "docker-registry", "serve", config])

    def is_ready() -> bool:
        registry.check()
        return run(*inside, "curl", "-sf", "-m", "2", f"http://{address}/v2/", check=False).returncode == 0

    wait_for("the registry is ready", is_ready)
    return registry


def layout(module: Path, folder: Path) -> str:
    """Writes an image with one layer that holds `plugin.wasm`; gives its digest, without `sha256:`."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("plugin.wasm")
        entry.size = module.stat().st_size
        with module.open("rb") as content:
            tar.addfile(entry, content)
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(kind: str, data: bytes) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    diff = f"sha256:{hashlib.sha256(archive.getvalue()).hexdigest()}"
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob("application/vnd.oci.image.config.v1+json", json.dumps(config).encode()),
        "layers": [blob("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(archive.getvalue(), mtime=0))],
    }
    image = blob(MANIFEST, json.dumps(manifest).encode())
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [image]}))
    return image["digest"].removeprefix("sha256:")


def push(inside: list[str], folder: Path, reference: str) -> None:
    """With skopeo, an independent client."""
    words = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"]
    run(*inside, *words, f"oci:{folder}", f"docker://{reference}")
