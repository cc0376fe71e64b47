"""`verify-install` in the mesh: nothing wrong where nothing is, and each fault by its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from checks import HOST, Checks
from machine import MeshError, run
from mesh import Pod

RESEARCH = "spiffe://acme.internal/ns/agents/sa/research-agent"
CASES = f"""
name: may read a document
request: {{method: GET, authority: {HOST}, path: /docs/1, peer: "{RESEARCH}"}}
expect: {{verdict: allow, status: 200}}
---
name: may read nothing else
request: {{method: GET, authority: {HOST}, path: /admin, peer: "{RESEARCH}"}}
expect: {{verdict: deny, reason: scope.path}}
"""
SECURITY = "/apis/security.istio.io/v1/namespaces/tools"
EXTENSION = "/apis/extensions.istio.io/v1alpha1/namespaces/tools/trafficextensions/sallyport"


class Proving(Checks):
    """What `verify-install` says, beside the sidecar and with a certificate of the mesh."""

    def verify(self, pod: Pod, *words: str) -> list[str]:
        """What it finds wrong, from a pod: `probe problem`, each once."""
        cases = self.folder / "probes.yaml"
        cases.write_text(CASES)
        command = [self.compiler, "verify-install", *words, "--cases", cases, "--format", "json"]
        done = run(*pod.command(*command, uid=0), check=False)
        try:
            told = json.loads(done.stdout)
        except ValueError as error:
            raise MeshError(f"verify-install: {done.stderr}") from error
        wrong = [f"{one['probe']} {one['problem']['id']}" for one in told["probes"] if one["problem"]]
        if told["ok"] != (not wrong) or done.returncode != bool(wrong):
            raise MeshError(f"verify-install says {told} and exits with {done.returncode}")
        return sorted(set(wrong))

    def beside_a_sidecar(self, *more: str) -> list[str]:
        return self.verify(self.research, f"http://{self.target.address}", "--as", RESEARCH, *more)

    def with_a_certificate(self, *more: str) -> list[str]:
        """From a pod without a sidecar, with the certificate that istiod gave to the agent's."""
        names = {"--cert": "cert-chain.pem", "--key": "key.pem", "--ca": "root-cert.pem"}
        files = [str(word) for option, name in names.items() for word in (option, self.research.certificates / name)]
        return self.verify(self.outsider, f"https://{self.server.address}:8080", *files, *more)

    def says(self, what: str, wanted: list[str], probe: Callable[[], list[str]]) -> None:
        """Checks what it says once the mesh has settled."""
        told: list[list[str]] = []

        def as_wanted() -> bool:
            told.append(probe())
            return told[-1] == wanted

        self.check(what, self.until(what, as_wanted, steady=2), f"{told[-1]}, after {self.took:.1f} s")

    def prove(self) -> None:
        self.begin("verify-install")
        self.says("beside a sidecar: nothing wrong", [], self.beside_a_sidecar)
        direct = f"http://{self.server.address}:8080"
        self.says("with a certificate of the mesh: nothing wrong", [], lambda: self.with_a_certificate("--direct", direct))
        direct = f"http://{self.server.address}:9090"
        outside = lambda: self.with_a_certificate("--direct", direct)  # noqa: E731
        self.says("a port that is left out of the mesh is found", ["interlock interlock-missing"], outside)
        with self.patched(f"{SECURITY}/peerauthentications/sallyport", {"spec": {"mtls": {"mode": "PERMISSIVE"}}}):
            self.says("mTLS that is not STRICT is found", ["mtls mtls-not-strict"], self.with_a_certificate)
        with self.deleted(EXTENSION):
            self.says("a plugin that is not there is found, by the interlock", ["request gate-absent"], self.beside_a_sidecar)
            with self.deleted(f"{SECURITY}/authorizationpolicies/sallyport-interlock"):
                open_ = lambda: self.call(self.research, "/admin").status == 200  # noqa: E731
                self.check("neither plugin nor interlock: everything passes", self.until("all passes", open_))
                self.says("… and that is found", ["request gate-absent"], self.beside_a_sidecar)
        self.says("all is back: nothing wrong", [], self.beside_a_sidecar)

    def prove_freshness(self, companion: str) -> None:
        """With a companion: is what it published in force?"""
        self.begin("verify-install, with a companion")
        self.apply(*self.companion_values, 'companion.clientNamespaces=["agents"]')
        asked = lambda *more: self.beside_a_sidecar("--companion", companion, *more)  # noqa: E731
        self.says("a gate that follows its companion: nothing wrong", [], lambda: asked("--audience", "tools"))
        self.says("a serial that is not published is missed", ["companion bundle-stale"], lambda: asked("--serial", "9" * 18))
        self.says("nobody asks for another audience", ["companion nobody-asks"], lambda: asked("--audience", "tools/other"))
        self.apply(*self.companion_values, 'companion.clientNamespaces=["agents"]', f"gate.keys={json.dumps([self.other_key()])}")
        refused = ["companion bundle-stale", "request policy-absent"]
        self.says("a gate that does not believe what is published is found", refused, asked)
        self.apply(*self.companion_values)
        self.says("all is back: nothing wrong", [], self.beside_a_sidecar)
        closed = ["companion companion-unreachable"]
        self.says("a companion that does not answer us is found", closed, asked)

    def other_key(self) -> str:
        path = self.folder / "other.key"
        if not path.exists():
            run(self.compiler, "keygen", "-o", path)
        return path.with_suffix(".key.pub").read_text()

    @contextmanager
    def patched(self, path: str, patch: dict) -> Iterator[None]:
        before = self.mesh.cluster.call("GET", path)
        self.mesh.cluster.call("PATCH", path, patch)
        try:
            yield
        finally:
            self.mesh.cluster.call("PATCH", path, {"spec": before["spec"]})

    @contextmanager
    def deleted(self, path: str) -> Iterator[None]:
        """Without a resource, for a while."""
        document = self.mesh.cluster.call("GET", path)
        self.mesh.cluster.call("DELETE", path)
        try:
            yield
        finally:
            document["metadata"] = {k: document["metadata"][k] for k in ("name", "namespace", "labels", "annotations")}
            self.mesh.cluster.create(document)
