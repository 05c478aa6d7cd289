"""The table of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = ("fault", "injected", "jobs", "shortest", "longest", "lost", "doubled", "stuck", "recovery", "convergence")


@dataclass
class Row:
    """One fault, over a run. Times in seconds: from the heal to the last finish, and from that to the last screen.

    :param shortest: rows of the screen with the shortest list when all was over.
    :param longest: rows of the longest.
    """

    fault: str
    injected: int = 0
    jobs: int = 0
    shortest: int = 0
    longest: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    recovery: float = 0.0
    convergence: float = 0.0
    slowest_start: float = 0.0
    violations: dict[str, list[str]] = field(default_factory=dict)

    def add(self, check: str, found: list[str]) -> None:
        """Note what a check found."""
        if found:
            self.violations.setdefault(check, []).extend(found)


def merged(runs: Sequence[Sequence[Row]]) -> list[Row]:
    """Several runs in one table: counts add up, of times the slowest counts."""
    rows: dict[str, Row] = {}
    for each in (row for run in runs for row in run):
        row = rows.setdefault(each.fault, Row(each.fault))
        for name in ("injected", "jobs", "lost", "doubled", "stuck"):
            setattr(row, name, getattr(row, name) + getattr(each, name))
        for name in ("recovery", "convergence", "slowest_start", "longest"):
            setattr(row, name, max(getattr(row, name), getattr(each, name)))
        row.shortest = min(row.shortest or each.shortest, each.shortest)
        for check, found in each.violations.items():
            row.add(check, found)
    return list(rows.values())


def show(title: str, rows: Sequence[Row]) -> None:
    """Print the table, and what was found."""
    table = Table(title=title, title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "fault" else "right")
    for row in [*rows, _total(rows)]:
        table.add_row(*(_text(getattr(row, column)) for column in COLUMNS))
    console = Console(width=130)
    console.print(table)
    for row in rows:
        for check, found in row.violations.items():
            for sentence in found[:20]:
                console.print(f"{row.fault}: {check}: {sentence}", markup=False, highlight=False)


def store(path: Path, rows: Sequence[Row], **about: Any) -> None:
    """Write the table as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**about, "rows": [asdict(row) for row in rows]}, indent=1))


def _total(rows: Sequence[Row]) -> Row:
    total = Row("all")
    for row in rows:
        for name in ("injected", "jobs", "lost", "doubled", "stuck"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
        for name in ("recovery", "convergence"):
            setattr(total, name, max(getattr(total, name), getattr(row, name)))
    return total


def _text(value: Any) -> str:
    return f"{value:.1f} s" if isinstance(value, float) else str(value)
