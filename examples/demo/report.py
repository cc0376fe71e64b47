"""How the demo tells what happened: an aligned table, differences in words, a summary.

Colour only on a terminal, and not with NO_COLOR set. Widths are those of the scenarios, known before the first line, so
that each line can be printed as soon as it is known.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from callers import Reply
from scenarios import Scenario

DIM, RED, GREEN, BOLD = "2", "31", "32", "1"
COLUMNS = ("scenario", "caller", "asked", "verdict", "reason", "HTTP", "ms", "server saw")
NUMERIC = frozenset({"HTTP", "ms"})


@dataclass(frozen=True)
class Outcome:
    """One scenario with what came of it; `differences` is empty where policy was right."""

    scenario: Scenario
    reply: Reply
    reached: str
    differences: tuple[str, ...]


def colour(text: str, code: str, stream: TextIO = sys.stdout) -> str:
    """`text` in a colour, where colours are wanted."""
    wanted = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return f"\x1b[{code}m{text}\x1b[0m" if wanted else text


def short(spiffe_id: str) -> str:
    """The last segment of a SPIFFE ID, which is what tells the demo's identities apart."""
    return spiffe_id.rpartition("/")[2]


def cells(outcome: Outcome) -> tuple[str, ...]:
    """One line's words."""
    scenario, reply = outcome.scenario, outcome.reply
    seen = ", ".join(short(identity) for identity in reply.seen_as) or "nobody"
    return (
        scenario.title,
        scenario.caller,
        str(scenario.ask),
        reply.verdict,
        reply.reason or "-",
        "-" if reply.status is None else str(reply.status),
        f"{reply.milliseconds:.1f}",
        seen if outcome.reached == "call" else outcome.reached,
    )


class Table:
    """Prints lines under a heading, each column as wide as its widest expected word."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        expected = [
            (s.title, s.caller, str(s.ask), s.expect.verdict, s.expect.reason or "-", "", "000.0", "")
            for s in scenarios
        ]
        rows = [COLUMNS, *expected]
        self._widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]

    def heading(self) -> None:
        """The names of the columns."""
        print(colour(self._line("", COLUMNS), DIM), flush=True)

    def row(self, outcome: Outcome) -> None:
        """One scenario, and what differs from policy, if anything."""
        right = not outcome.differences
        mark = colour("✓", GREEN) if right else colour("✗", RED)
        line = self._line(mark, cells(outcome))
        print(line if right else colour(line, BOLD), flush=True)
        for difference in outcome.differences:
            print(colour(f"    {difference}", RED), flush=True)

    def _line(self, mark: str, words: Iterable[str]) -> str:
        padded = [
            word.rjust(width) if name in NUMERIC else word.ljust(width)
            for name, word, width in zip(COLUMNS, words, self._widths, strict=True)
        ]
        return f"{mark or ' '} {'  '.join(padded)}".rstrip()


def trace(table: str, words: str, whole: bool) -> None:
    """What the companion kept, and whether it is as it was received."""
    head, _, rows = table.partition("\n")
    print(f"\nWhat the companion kept of it:\n\n{colour(head, DIM)}\n{rows.rstrip()}\n")
    print(words.rstrip() if whole else colour(words.rstrip(), RED), flush=True)


def summary(outcomes: Sequence[Outcome], stray: Sequence[str], records: int) -> bool:
    """The last words; whether all went as policy says."""
    right = sum(not outcome.differences for outcome in outcomes)
    refused = [outcome for outcome in outcomes if outcome.scenario.expect.verdict != "allow"]
    leaked = sum(outcome.reached not in ("nothing", "session") for outcome in refused)
    print(f"\n{len(refused) - leaked} of {len(refused)} refused calls never reached the server.")
    answers = sum(outcome.reply.answers for outcome in outcomes)
    print(f"{records} records of {answers} answers are in the store.")
    for operation in stray:
        print(colour(f"the server got `{operation}`, which nobody in the demo asked for", RED))
    good = right == len(outcomes) and not stray
    print(colour(f"{right} of {len(outcomes)} as policy says", GREEN if good else RED), flush=True)
    return good
