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
        self.installed = False
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

    def helm(self, command: str, *sets: str) -> subprocess.CompletedProcess:
        words = [*self.mesh.cluster.inside(), self.mesh.tools.helm, command, "sallyport"]
        words += ["--kubeconfig", self.mesh.cluster.kubeconfig, "--namespace", "tools"]
        if command in ("install", "upgrade"):
            words += [CHART, "--values", self.values]
            for pair in sets:
                words += ["--set-json", pair]
        else:
            words += sets
        return run(*words, check=False, env={**os.environ, "HOME": str(self.folder)})

    def apply(self, *sets: str) -> None:
        done = self.helm("upgrade" if self.installed else "install", *sets)
        if done.returncode != 0:
            raise MeshError(f"helm: {done.stderr}")
        self.installed = True

    def call(self, pod: Pod, path: str, *words: str, body: bytes | None = None) -> Reply:
        """One request to the tool server from a pod, through whatever sidecar it has."""
        command = ["curl", "-s", "-m", "20", "-w", "\n%{http_code} %{time_total}", "-H", "expect:"]
        command += ["--resolve", f"{HOST}:80:{self.service}", f"http://{HOST}{path}", *words]
        if body is not None:
            command += ["--data-binary", "@-", "-H", "content-type: application/json"]
        done = subprocess.run(pod.command(*command), input=body, capture_output=True)
        text, _, last = done.stdout.decode(errors="replace").rpartition("\n")
        status, seconds = last.split()
        return Reply(int(status), text, float(seconds))

    def tool(self, pod: Pod, name: str, query: str = "x") -> Reply:
        """One MCP call of a tool."""
        call = {"name": name, "arguments": {"q": query}}
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": call}).encode()
        accept = "accept: application/json, text/event-stream"
        return self.call(pod, "/mcp", "-H", accept, body=body)

    def seen(self) -> list[dict]:
        """What reached the tool server since the last look."""
        time.sleep(0.2)
        lines = self.seen_file.read_text().splitlines()
        self.seen_file.write_text("")
        return [json.loads(line) for line in lines]

    def until(self, what: str, test: Callable[[], bool], seconds: float = 60) -> bool:
        """Whether something becomes true in time, and stays so.

        Configuration takes a moment to arrive, and connections that were open stay with the filters that they began with
        until Envoy has drained them; so once is not enough.
        """
        start = time.monotonic()
        try:
            wait_for(what, lambda: all(test() for _ in range(STEADY)), seconds)
            return True
        except MeshError:
            return False
        finally:
            self.took = time.monotonic() - start

    def sidecar_filters(self) -> list[str]:
        return self.server.http_filters(8080)
