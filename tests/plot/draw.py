#!/usr/bin/env python3
"""Draws the picture of docs/records.md from the figures that Prometheus gave: `draw.py FIGURES.json PICTURE.svg`.

Four panels over one time axis, as SVG written by hand: nothing but Python's own library is needed. Colours are readable
on light and dark pages.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP = 860, 64, 196, 34
PANEL, GAP = 120, 46
COLOURS = ("#2a9d4a", "#d1495b", "#e08e1b", "#3f72c4", "#8a5fbf", "#5f9ea0")
INK, GRID, AWAY = "#8b8f98", "#8b8f9840", "#d1495b22"

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One diagram: its title, its unit, and its lines by name."""

    title: str
    unit: str
    lines: dict[str, Points]


def points(series: dict[str, Any], begins: float) -> Points:
    """A series of Prometheus as seconds since the beginning and values; gaps are left out."""
    pairs = ((float(at) - begins, float(value)) for at, value in series["values"])
    return [(at, value) for at, value in pairs if math.isfinite(value)]


def panels(figures: dict[str, Any]) -> list[Panel]:
    """What is drawn, from top to bottom."""
    begins = figures["begins"]

    def named(key: str, *labels: str) -> dict[str, Points]:
        lines = {" ".join(one["metric"][label] for label in labels): points(one, begins) for one in figures[key]}
        return dict(sorted(lines.items()))

    def one(key: str) -> Points:
        return points(figures[key][0], begins)

    return [
        Panel("decisions a second, by verdict and reason", "/s", named("verdicts", "verdict", "reason")),
        Panel("time that a decision takes", "µs", {"p50": one("p50"), "p99": one("p99")}),
        Panel("records in the gate's queue", "", {"queued": one("queued"), "dropped": one("dropped")}),
        Panel("calls with records a second, by result", "/s", named("calls", "result")),
    ]


def nice(value: float) -> float:
    """The next round number from `value` on."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value)


def label(value: float) -> str:
    """A number on an axis."""
    return f"{value:,.0f}".replace(",", " ") if value == round(value) else f"{value:g}"


class Picture:
    """The document in the making."""

    def __init__(self, ends: float, height: int) -> None:
        self._ends = ends
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}">'
        ]

    def x(self, second: float) -> float:
        """Where a moment is."""
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(second / self._ends, 0), 1)

    def text(self, x: float, y: float, words: str, more: str = "") -> None:
        """Words."""
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(words)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        """A line of the grid."""
        self._parts.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{GRID}"/>')

    def away(self, goes: float, back: float, top: float) -> None:
        """The time without a companion."""
        width = self.x(back) - self.x(goes)
        self._parts.append(f'<rect x="{self.x(goes):.1f}" y="{top}" width="{width:.1f}" height="{PANEL}" fill="{AWAY}"/>')

    def panel(self, panel: Panel, top: float) -> None:
        """One diagram with its axis, its lines and their names."""
        most = nice(max((value for line in panel.lines.values() for _, value in line), default=1))
        self.text(LEFT, top - 8, panel.title, ' font-weight="600"')
        for share in (0, 0.5, 1):
            y = top + PANEL * (1 - share)
            self.line(LEFT, y, WIDTH - RIGHT, y)
            self.text(LEFT - 8, y + 4, f"{label(most * share)}{panel.unit}", ' text-anchor="end"')
        for number, (name, line) in enumerate(panel.lines.items()):
            colour = COLOURS[number % len(COLOURS)]
            way = " ".join(f"{self.x(at):.1f},{top + PANEL * (1 - value / most):.1f}" for at, value in line)
            self._parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
            last = f"  {label(round(line[-1][1]))}" if line else ""
            self.text(WIDTH - RIGHT + 12, top + 12 + 17 * number, name + last, f' fill="{colour}"')

    def end(self) -> str:
        """The document."""
        return "\n".join([*self._parts, "</svg>", ""])


def draw(figures: dict[str, Any]) -> str:
    """The picture."""
    drawn = panels(figures)
    bottom = TOP + len(drawn) * (PANEL + GAP) - GAP
    picture = Picture(figures["ends"], bottom + 40)
    for number, panel in enumerate(drawn):
        top = TOP + number * (PANEL + GAP)
        picture.away(figures["goes"], figures["back"], top)
        picture.panel(panel, top)
    middle = (picture.x(figures["goes"]) + picture.x(figures["back"])) / 2
    picture.text(middle, TOP + PANEL / 2, "companion away", ' text-anchor="middle"')
    for second in range(0, figures["ends"] + 1, 20):
        picture.text(picture.x(second), bottom + 20, f"{second} s", ' text-anchor="middle"')
    return picture.end()


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    target.write_text(draw(json.loads(source.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()
