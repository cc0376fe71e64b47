#!/usr/bin/env python3
"""The demo: real agents, real mTLS identities, a real MCP server, and a real Envoy that runs the filter between them.

It starts the tool server, the gate and the companion that keeps the gate's records, lets every agent of `scenarios.py`
try its luck, prints a line for each, then what the companion kept of it. It exits with 0 only if every one went as policy
says and left its records (1: something differs; 2: something did not start).

Everything listens on 127.0.0.1 only, and everything that was started is stopped at the end, also on Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import shlex
import signal
import sys
import tempfile
from pathlib import Path

from callers import CALL_SECONDS, Gate, Identity, Reply, call_tool, get, request_id, shake_hands
from processes import LOG, Playground, Server, StartError, playground, tail, tool_server
from records import Store, missing
from report import DIM, RED, Outcome, Table, colour, summary, trace
from scenarios import SCENARIOS, Get, Handshake, Scenario, Tool

POLICY = Path(__file__).resolve().parent.parent / "tool-api" / "policy"
RECORDS = "records.db"
"""Where, in the state folder, the companion keeps records."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DIFFERS, CANNOT_START, INTERRUPTED = 1, 2, 130
WITHOUT_CERTIFICATE = "nobody"
TRIES: tuple[tuple[str, str | None, Tool | Get], ...] = (
    ("support may read a document", "support", Get("/docs/1")),
    ("support may not enter /admin", "support", Get("/docs/../admin")),
    ("who shows no certificate may do nothing", None, Get("/docs/1")),
    ("research may search", "research", Tool("search_docs", {"query": "how to build"})),
    ("research may not drop a table", "research", Tool("drop_table", {"name": "customers"})),
)
"""What a user is invited to try with curl."""


def say(text: str) -> None:
    """Progress, on stderr."""
    print(colour(f"· {text}", DIM, sys.stderr), file=sys.stderr, flush=True)


async def attempt(gate: Gate, identities: dict[str, Identity], case: str, scenario: Scenario) -> Reply:
    """Lets one caller try one thing."""
    identity = None if scenario.caller == WITHOUT_CERTIFICATE else identities.get(scenario.caller)
    if identity is None and scenario.caller != WITHOUT_CERTIFICATE:
        return Reply("failed", detail=f"the playground minted no identity `{scenario.caller}`")
    try:
        async with asyncio.timeout(CALL_SECONDS):
            match scenario.ask:
                case Tool(name, arguments, era):
                    return await call_tool(gate, identity, case, name, arguments, era, scenario.headers)
                case Get(target):
                    return await get(gate, identity, case, target, scenario.headers)
                case Handshake() if identity is not None:
                    return await shake_hands(gate, identity)
                case _:
                    return Reply("failed", detail="a handshake needs a certificate")
    except TimeoutError:
        return Reply("failed", detail=f"no answer within {CALL_SECONDS:.0f} s")


def compare(scenario: Scenario, reply: Reply, reached: str, spiffe_id: str | None) -> Outcome:
    """What came of a scenario beside what policy says of it, field by field."""
    expect = scenario.expect
    seen_as = (spiffe_id,) if expect.reached == "call" else ()
    fields = (
        ("verdict", expect.verdict, reply.verdict),
        ("reason", expect.reason, reply.reason),
        ("status", expect.status, reply.status),
        ("reached the server", expect.reached, reached),
        ("identity seen by the server", seen_as, reply.seen_as),
    )
    differences = [f"{name}: policy says {want!r}, got {got!r}" for name, want, got in fields if want != got]
    if differences and reply.detail and reply.verdict != expect.verdict:
        differences.append(f"detail: {reply.detail}")
    return Outcome(scenario, reply, reached, tuple(differences))


async def play(started: Playground, server: Server, store: Store) -> bool:
    """Every scenario in turn, a line for each; then its records, and the summary."""
    gate, identities = started.gate, started.identities
    table = Table(SCENARIOS)
    table.heading()
    outcomes = []
    for number, scenario in enumerate(SCENARIOS, start=1):
        case = str(number)
        reply = await attempt(gate, identities, case, scenario)
        await server.caught_up()
        identity = identities.get(scenario.caller)
        outcome = compare(scenario, reply, server.reached(case), identity.spiffe_id if identity else None)
        table.row(outcome)
        outcomes.append(outcome)
    records = await store.arrived({request_id(str(n)): it.reply.answers for n, it in enumerate(outcomes, start=1)})
    whole, words = await store.verified()
    trace(await store.table(), words, whole)
    final = []
    for number, outcome in enumerate(outcomes, start=1):
        identity = identities.get(outcome.scenario.caller)
        lacks = missing(str(number), outcome.reply, identity.spiffe_id if identity else None, records)
        final.append(recounted(outcome, server.reached(str(number)), lacks))
    stray = server.stray({str(n) for n in range(1, len(SCENARIOS) + 1)})
    return summary(final, stray, sum(map(len, records.values()))) and whole


def recounted(outcome: Outcome, reached: str, lacks: list[str]) -> Outcome:
    """The outcome with what is known only at the end: what reached the server late, and what left no record."""
    late = [] if reached == outcome.reached else [f"reached the server late: {reached!r} after {outcome.reached!r}"]
    for difference in (*late, *lacks):
        print(colour(f"✗ {outcome.scenario.title}: {difference}", RED))
    return Outcome(outcome.scenario, outcome.reply, reached, (*outcome.differences, *late, *lacks))


def things_to_try(gate: Gate, identities: dict[str, Identity]) -> None:
    """Prints curl commands for a playground that is left running."""
    print("\nThe gate is still running; try it yourself. Ctrl-C stops it.")
    for title, name, ask in TRIES:
        parts = [
            ["curl", "-i", "--path-as-is", "--cacert", str(gate.ca)],
            ["--resolve", f"{gate.server_name}:{gate.port}:{gate.address}", "-H", f"host: {gate.service}"],
        ]
        if name is not None:
            parts.append(["--cert", str(identities[name].certificate), "--key", str(identities[name].key)])
        url = f"https://{gate.server_name}:{gate.port}"
        if isinstance(ask, Tool):
            headers, body = tool_call(ask)
            parts += [[word for header in headers for word in ("-H", header)], ["-d", body], [f"{url}/mcp"]]
        else:
            parts.append([f"{url}{ask.target}"])
        print(colour(f"\n# {title}", DIM))
        print(" \\\n  ".join(shlex.join(part) for part in parts), flush=True)


def tool_call(ask: Tool) -> tuple[list[str], str]:
    """The headers and the body with which an SDK client calls a tool in MCP 2026-07-28."""
    version = "2026-07-28"
    meta = {"protocolVersion": version, "clientCapabilities": {}}
    params = {
        "name": ask.name,
        "arguments": ask.arguments,
        "_meta": {f"io.modelcontextprotocol/{key}": value for key, value in meta.items()},
    }
    headers = [
        "content-type: application/json",
        "accept: application/json, text/event-stream",
        f"mcp-protocol-version: {version}",
        "mcp-method: tools/call",
        f"mcp-name: {ask.name}",
    ]
    return headers, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})


async def demo(options: argparse.Namespace) -> int:
    """The whole of it, from nothing to nothing."""
    async with contextlib.AsyncExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sallyport-demo-")))
        server = await stack.enter_async_context(tool_server(say))
        command = [
            options.policy_compiler, "dev", "--until-stdin-closes", "--policy", str(POLICY),
            "--upstream", f"127.0.0.1:{server.port}", "--module", options.module, "--state-dir", str(state),
            "--audit", str(state / RECORDS),
        ]  # fmt: skip
        if options.envoy is not None:
            command += ["--envoy", options.envoy]
        started = await stack.enter_async_context(playground(command, state, say))
        store = Store(options.policy_compiler, state / RECORDS, started.audit_key)
        good = await play(started, server, store)
        if options.keep:
            things_to_try(started.gate, started.identities)
            print(f"\nThe gate's decisions, as they are made:\n  tail -f {state / LOG}")
            print(f"Its records, as they arrive:\n  {store.program} audit tail --store {store.path}", flush=True)
            # Here an interruption is how the user says that it is enough, so the verdict stands.
            with contextlib.suppress(asyncio.CancelledError):
                await started.process.wait()
                raise StartError(f"the gate has ended:\n{tail(state / LOG)}")
    return 0 if good else DIFFERS


async def until_interrupted(options: argparse.Namespace) -> int:
    """Runs the demo; the first signal lets it tidy up, a second one does not wait for that."""
    loop = asyncio.get_running_loop()
    work = asyncio.create_task(demo(options))

    def interrupt() -> None:
        say("stopping")
        work.cancel()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        return await work
    except asyncio.CancelledError:
        return INTERRUPTED


def main() -> int:
    parser = argparse.ArgumentParser(description="Real agents and a real MCP server on both sides of the gate.")
    parser.add_argument("--policy-compiler", required=True, metavar="PATH", help="the policy-compiler program")
    parser.add_argument("--envoy", metavar="PATH", help="the Envoy program; without it the one that `dev` finds")
    parser.add_argument("--module", required=True, metavar="PATH", help="the filter, a .wasm file")
    parser.add_argument("--keep", action="store_true", help="leave all running and print curl commands, until Ctrl-C")
    options = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a tick should not end the demo.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return asyncio.run(until_interrupted(options))
    except StartError as error:
        print(f"demo: {error}", file=sys.stderr)
        return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
