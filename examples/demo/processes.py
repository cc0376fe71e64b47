"""The two processes of the demo beside this one: the tool server and `policy-compiler dev` (which runs Envoy).

Both are started in sessions of their own, so that Ctrl-C reaches this process first, and both stop when their stdin
closes, so that nothing stays behind even if this process is killed.

Limits: START_SECONDS for each to be ready; STOP_SECONDS for each to go before it is terminated, and again before it is
killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from callers import Gate, Identity
from scenarios import SERVICE

START_SECONDS = 60.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 5.0
"""After this long, and again each time, a waiting user is told what is being waited for."""

LOG_LINES_SHOWN = 20
LOG = "dev.log"
"""Where, in the state folder, the gate's own words go."""

HERE = Path(__file__).resolve().parent

Say = Callable[[str], None]
T = TypeVar("T")

HOUSEKEEPING = frozenset(
    {"server/discover", "initialize", "notifications/initialized", "ping", "tools/list", "GET /mcp", "DELETE /mcp"}
)
"""What an SDK client does around its calls; it carries nothing of the call itself."""


class StartError(Exception):
    """A process did not come up; the message says which, why, and what it last said."""


class Server:
    """The running tool server, and what it has told of the requests that reached it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._process = process
        self._arrivals: dict[str | None, dict[int, str]] = defaultdict(dict)
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            arrival: dict[str, Any] = json.loads(line)
            self._arrivals[arrival["case"]][arrival["number"]] = arrival["operation"]

    def close(self) -> None:
        """Listens no more."""
        self._reader.cancel()

    async def caught_up(self) -> None:
        """Waits until everything that reached the server before now is known: its lines come in order, so a marker
        request sent straight to it comes last."""
        before = len(self._arrivals["marker"])
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), START_SECONDS)
        except OSError as error:
            raise StartError(f"the tool server does not answer any more: {error}") from error
        writer.write(b"GET /builds/0 HTTP/1.1\r\nhost: 127.0.0.1\r\nx-demo-case: marker\r\nconnection: close\r\n\r\n")
        await writer.drain()
        async with asyncio.timeout(START_SECONDS):
            while len(self._arrivals["marker"]) == before:
                if self._reader.done():
                    raise StartError("the tool server stopped during the demo")
                await asyncio.sleep(POLL_SECONDS)
        writer.close()

    def reached(self, case: str) -> str:
        """How far `case` came: `nothing`, `session`, `call`, or how many calls if more than one."""
        operations = list(self._arrivals[case].values())
        calls = [operation for operation in operations if operation not in HOUSEKEEPING]
        if not operations:
            return "nothing"
        if not calls:
            return "session"
        return "call" if len(calls) == 1 else f"{len(calls)} calls"

    def stray(self, cases: set[str]) -> list[str]:
        """Requests that belong to no scenario: a gate must not make any up."""
        known = cases | {"marker"}
        return [op for case, ops in self._arrivals.items() if case not in known for op in ops.values()]


@dataclass(frozen=True)
class Playground:
    """The running gate, and who can call it."""

    gate: Gate
    identities: dict[str, Identity]
    process: asyncio.subprocess.Process
    audit_key: Path
    """What the records of the gate are verified by."""


@asynccontextmanager
async def tool_server(say: Say) -> AsyncIterator[Server]:
    """Runs `server.py` on a free loopback port."""
    say("starting the tool server (MCP and REST)")
    arguments = [sys.executable, str(HERE / "server.py"), "--host", SERVICE]
    async with running("the tool server", arguments, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        first = await patiently(process.stdout.readline(), "the tool server", say)
        if not first:
            raise StartError("the tool server stopped before it listened; its error is above")
        server = Server(process, json.loads(first)["port"])
        try:
            yield server
        finally:
            server.close()


@asynccontextmanager
async def playground(command: list[str], state: Path, say: Say) -> AsyncIterator[Playground]:
    """Runs `command`, which is `policy-compiler dev`, and waits until its gate answers."""
    say("starting the gate (policy compiled, certificates minted, Envoy with the filter)")
    log = state / LOG
    with log.open("wb") as output:
        async with running("policy-compiler dev", command, stdout=output, stderr=output) as process:
            described = await patiently(described_by(state / "playground.json", process, log), "the gate", say)
            yield read(described, process)


async def described_by(file: Path, process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    """Waits for the playground's own description of itself, which it writes once it is ready."""
    while not file.exists():
        if process.returncode is not None:
            raise StartError(f"policy-compiler dev exited with {process.returncode}:\n{tail(log)}")
        await asyncio.sleep(POLL_SECONDS)
    described: dict[str, Any] = json.loads(file.read_text())
    return described


def read(described: dict[str, Any], process: asyncio.subprocess.Process) -> Playground:
    """The playground that is described."""
    url = urlsplit(described["url"])
    if url.hostname is None or url.port is None:
        raise StartError(f"policy-compiler dev says it listens on `{described['url']}`, which names no host and port")
    gate = Gate(url.hostname, url.port, described["server_name"], Path(described["ca"]), SERVICE)
    identities = {
        name: Identity(name, it["spiffe_id"], Path(it["cert"]), Path(it["key"]))
        for name, it in described["identities"].items()
    }
    return Playground(gate, identities, process, Path(described["audit"]["key"]))


@asynccontextmanager
async def running(name: str, arguments: list[str], **streams: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child process that ends with this block, however it is left."""
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdin=asyncio.subprocess.PIPE, start_new_session=True, **streams
        )
    except OSError as error:
        raise StartError(f"cannot start {name}: {error}") from error
    try:
        yield process
    finally:
        await stop(process)


async def stop(process: asyncio.subprocess.Process) -> None:
    """Closes stdin, which asks politely; then terminates; then kills."""
    assert process.stdin is not None
    for insist in (process.stdin.close, process.terminate, process.kill):
        with contextlib.suppress(ProcessLookupError):
            insist()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
            return


async def patiently(work: Awaitable[T], what: str, say: Say) -> T:
    """Waits for `work`, telling every few seconds that it still does."""
    task = asyncio.ensure_future(work)
    waited = 0.0
    try:
        while waited < START_SECONDS:
            done, _ = await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
            if done:
                return task.result()
            waited += PATIENCE_SECONDS
            say(f"still waiting for {what} ({waited:.0f} s)")
    finally:
        task.cancel()
    raise StartError(f"{what} was not ready after {START_SECONDS:.0f} s")


def tail(log: Path) -> str:
    """The last lines that a process wrote."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
