"""What the gate's companion kept of the demo: read back from its store with `policy-compiler audit`, as an auditor would.

Every request of a scenario carries an `x-request-id` that names the scenario, and the gate writes it into the record.
So each scenario is held against its records: as many as it had answers, and one with what its caller was told.

Limits: ARRIVAL_SECONDS for the last record to be in the store.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callers import Reply, request_id
from processes import StartError

ARRIVAL_SECONDS = 10.0
POLL_SECONDS = 0.2
LIMIT = "1000"

Record = dict[str, Any]


@dataclass(frozen=True)
class Store:
    """The companion's store, and the key that verifies it."""

    program: str
    path: Path
    key: Path

    async def records(self) -> dict[str, list[Record]]:
        """What is there now, by request id."""
        found = defaultdict(list)
        for line in (await self.audit("query", "--limit", LIMIT, "--format", "json")).splitlines():
            envelope = json.loads(line)
            if not envelope["verified"]:
                raise StartError(f"a record came from nobody known: {envelope['proxy']}")
            found[envelope["record"]["requestId"]].append(envelope["record"])
        return found

    async def arrived(self, answers: dict[str, int]) -> dict[str, list[Record]]:
        """Waits until there are as many records as there were answers; what is there then, or when time is up."""
        end = time.monotonic() + ARRIVAL_SECONDS
        while True:
            found = await self.records()
            if all(len(found[wanted]) >= count for wanted, count in answers.items()) or time.monotonic() > end:
                return found
            await asyncio.sleep(POLL_SECONDS)

    async def table(self) -> str:
        """The records as a table for people."""
        return await self.audit("query", "--limit", LIMIT)

    async def verified(self) -> tuple[bool, str]:
        """Whether the store is as it was written, and the words of `audit verify`."""
        code, out, err = await self._run("verify", "--key", str(self.key))
        return code == 0, out + err

    async def audit(self, *arguments: str) -> str:
        """What `policy-compiler audit` prints."""
        code, out, err = await self._run(*arguments)
        if code != 0:
            raise StartError(f"`policy-compiler audit {arguments[0]}` failed: {err}")
        return out

    async def _run(self, command: str, *arguments: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            self.program, "audit", command, "--store", str(self.path), *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


def missing(case: str, reply: Reply, spiffe_id: str | None, records: dict[str, list[Record]]) -> list[str]:
    """What the store lacks of a scenario, or has too much."""
    mine = records.get(request_id(case), [])
    differences = []
    if len(mine) != reply.answers:
        differences.append(f"records: {reply.answers} answers, and {len(mine)} in the store")
    if reply.answers > 0:
        told = (reply.verdict, reply.reason or "allowed", reply.status, spiffe_id)
        kept = [(one["verdict"], one["reason"], one["status"], one["caller"]) for one in mine]
        if told not in kept:
            differences.append(f"records: none says {told!r}")
    return differences
