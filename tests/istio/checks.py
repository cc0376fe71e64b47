"""What the checks of the interop run are made of."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from machine import MeshError, run, wait_for
from mesh import Mesh, Pod

CHART = Path(__file__).resolve().parent.parent.parent / "istio/chart"
HOST = "tool-api.tools.svc.cluster.local"
STEADY = 8
"""How many calls in a row must agree: more than a caller's proxy has connections."""


@dataclass
class Release:
    """The chart, installed or about to be."""

    name: str
    namespace: str
    values: Path
    installed: bool = False


@dataclass
class Target:
    """What is called: by which name, and where."""

    host: str
    address: str
    port: int = 80


@dataclass
class Reply:
    """What a caller got."""

    status: int
    body: str
    seconds: float

    @property
    def reason(self) -> str:
        """The gate's reason code, or who else refused."""
        if "RBAC: access denied" in self.body:
            return "RBAC"
        try:
            answer = json.loads(self.body)
        except ValueError:
            return ""
        error = answer.get("error", answer) if isinstance(answer, dict) else {}
        return error.get("data", {}).get("reason", "") if isinstance(error, dict) else answer.get("reason", "")


class Checks:
    """What checks are made of: calls through the mesh, Helm, and a list of what held."""

    def __init__(self, mesh: Mesh, module: Path, compiler: Path, folder: Path) -> None:
        self.mesh, self.module, self.compiler, self.folder = mesh, module, compiler, folder
        self.rows: list[tuple[str, str, bool]] = []
        self.started = time.monotonic()
        self.seen_file = folder / "seen.jsonl"
        self.part = ""

    # --- checking

    def check(self, what: str, holds: bool, detail: object = "") -> None:
        self.rows.append((self.part, what, holds))
        print(f"  {'ok  ' if holds else 'FAIL'} {what}{f'  ({detail})' if detail != '' else ''}", flush=True)

    def begin(self, part: str) -> None:
        self.part = part
        print(f"{part}  [{time.monotonic() - self.started:.0f} s]", flush=True)

    def summary(self) -> int:
        """Prints a line for each part, and what failed; gives the exit code."""
        print("\npassed  failed  part")
        for part in dict.fromkeys(part for part, _, _ in self.rows):
            held = [holds for of, _, holds in self.rows if of == part]
            print(f"{sum(held):6}  {len(held) - sum(held):6}  {part}")
        failed = [f"{part}: {what}" for part, what, holds in self.rows if not holds]
        for what in failed:
            print(f"failed: {what}")
        print(f"{len(self.rows) - len(failed)} passed, {len(failed)} failed")
        return 1 if failed else 0

    # --- acting

    def helm(self, release: Release, command: str, *sets: str) -> subprocess.CompletedProcess:
        words = [*self.mesh.cluster.inside(), self.mesh.tools.helm, command, release.name]
        words += ["--kubeconfig", self.mesh.cluster.kubeconfig, "--namespace", release.namespace]
        if command in ("install", "upgrade"):
            words += [CHART, "--values", release.values]
            for pair in sets:
                words += ["--set-json", pair]
        else:
            words += sets
        return run(*words, check=False, env={**os.environ, "HOME": str(self.folder)})

    def install(self, release: Release, *sets: str) -> None:
        """Installs or upgrades it."""
        done = self.helm(release, "upgrade" if release.installed else "install", *sets)
        if done.returncode != 0:
            raise MeshError(f"helm: {done.stderr}")
        release.installed = True

    def uninstall(self, release: Release) -> None:
        done = self.helm(release, "uninstall", "--wait")
        if done.returncode != 0:
            raise MeshError(f"helm: {done.stderr}")
        release.installed = False

    def apply(self, *sets: str) -> None:
        """The release that governs the tool server."""
        self.install(self.release, *sets)

    def call(self, pod: Pod, path: str, *words: str, body: bytes | None = None, to: Target | None = None) -> Reply:
        """One request from a pod, through whatever sidecar it has: to the tool server, unless said otherwise."""
        to = to or self.target
        command = ["curl", "-s", "-m", "20", "-w", "\n%{http_code} %{time_total}", "-H", "expect:"]
        command += ["--resolve", f"{to.host}:{to.port}:{to.address}", "-H", f"host: {to.host}"]
        command += [f"http://{to.host}:{to.port}{path}", *words]
        if body is not None:
            command += ["--data-binary", "@-", "-H", "content-type: application/json"]
        done = subprocess.run(pod.command(*command), input=body, capture_output=True)
        text, _, last = done.stdout.decode(errors="replace").rpartition("\n")
        status, seconds = last.split()
        return Reply(int(status), text, float(seconds))

    def tool(self, pod: Pod, name: str, query: str = "x", to: Target | None = None) -> Reply:
        """One MCP call of a tool."""
        call = {"name": name, "arguments": {"q": query}}
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": call}).encode()
        accept = "accept: application/json, text/event-stream"
        return self.call(pod, "/mcp", "-H", accept, body=body, to=to)

    def seen(self) -> list[dict]:
        """What reached the tool server since the last look."""
        time.sleep(0.2)
        lines = self.seen_file.read_text().splitlines()
        self.seen_file.write_text("")
        return [json.loads(line) for line in lines]

    def until(self, what: str, test: Callable[[], bool], seconds: float = 60, steady: int = STEADY) -> bool:
        """Whether something becomes true in time, and stays so.

        Configuration takes a moment to arrive, and connections that were open stay with the filters that they began with
        until Envoy has drained them; so once is not enough.
        """
        start = time.monotonic()
        try:
            wait_for(what, lambda: all(test() for _ in range(steady)), seconds)
            return True
        except MeshError:
            return False
        finally:
            self.took = time.monotonic() - start

    def sidecar_filters(self) -> list[str]:
        port = lambda chain: chain.get("filter_chain_match", {}).get("destination_port") == 8080  # noqa: E731
        return self.server.http_filters("virtualInbound", port)
