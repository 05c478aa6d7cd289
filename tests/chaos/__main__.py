"""The command of the chaos suite: `python -m tests.chaos --help`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Final

import typer

from tests.chaos.defects import NAMES
from tests.chaos.faults import BOTH, BY_NAME, FAULTS
from tests.chaos.one import Order, run
from tests.chaos.report import Row, merged, show, store

RESULTS: Final = Path("bench/results")
SCALE: Final = {"short": 4.0, "full": 1.0, "soak": 1.0}
SEEDS: Final = {"short": 1, "full": 10, "soak": 1_000_000}
JOBS: Final = {"short": 300, "full": 5_000, "soak": 5_000}
OBSERVERS: Final = {"short": 20, "full": 200, "soak": 200}
BURSTS: Final = {"short": 1_200, "full": 3_000, "soak": 3_000}  # jobs at once; a list is live for a thousand
DATABASES: Final = ("postgresql", "sqlite")
POOLS: Final = {"postgresql": "prefork", "sqlite": "threads"}  # as a host would, and as `livejobs up` does


def main(
    level: Annotated[str, typer.Option(help="short, full or soak.")] = "short",
    seed: Annotated[int, typer.Option(help="Repeats a run; the next seeds follow where a level has several.")] = 1,
    database: Annotated[list[str] | None, typer.Option(help="postgresql or sqlite; both when left out.")] = None,
    pool: Annotated[str, typer.Option(help="prefork or threads; the database decides when left out.")] = "",
    fault: Annotated[list[str] | None, typer.Option(help="Only these faults.")] = None,
    defect: Annotated[str, typer.Option(help="Build a deliberate defect in: the run must fail.")] = "",
    seeds: Annotated[int | None, typer.Option(help="How many seeds; the level decides when left out.")] = None,
    jobs: Annotated[int | None, typer.Option(help="How many jobs in all; the level decides when left out.")] = None,
    hours: Annotated[float, typer.Option(help="How long a soak lasts.")] = 4.0,
) -> None:
    """Break a cluster of real processes in every way we know, and check from outside what must be true."""
    _known("level", [level], SCALE)
    _known("database", database or [], DATABASES)
    _known("pool", [pool] if pool else [], POOLS.values())
    _known("fault", fault or [], BY_NAME)
    _known("defect", [defect] if defect else [], NAMES)
    violated = False
    for number, kind in enumerate(database or DATABASES):
        begun, runs = time.monotonic(), list[list[Row]]()
        for offset in range(SEEDS[level] if seeds is None else seeds):
            if level == "soak" and time.monotonic() - begun > hours * 3600:
                break
            # at the short level each database has a seed of its own: two seeds in all
            this = seed + offset + (number if level == "short" else 0)
            chosen = fault or planned(level, kind, this)
            share = shared(jobs or JOBS[level], chosen)
            size = {"pool": pool or POOLS[kind]}
            typer.echo(f"{kind}, {size['pool']}, {level}, seed {this}: {len(chosen)} faults, {share} jobs each")
            order = Order(
                kind, SCALE[level], this, chosen, share, OBSERVERS[level], defect, burst=BURSTS[level], size=size
            )
            runs.append(run(order))
        rows = merged(runs)
        show(f"{kind}, {level}, from seed {seed}, {time.monotonic() - begun:.0f} s", rows)
        store(RESULTS / f"chaos-{level}-{kind}-{seed}.json", rows, database=kind, level=level, seed=seed)
        violated |= any(row.violations for row in rows)
    sys.exit(1 if violated else 0)


def planned(level: str, database: str, seed: int) -> list[str]:
    """The faults of a level that this database can have.

    At the short level a seed has every second one, and what only its database can have; two seeds have all.
    """
    found = [fault for fault in FAULTS if level in fault.levels and database in fault.databases]
    if level == "short":
        common = [fault for fault in found if fault.databases == BOTH and not fault.untouched][seed % 2 :: 2]
        found = [fault for fault in found if fault in common or fault.databases != BOTH or fault.untouched]
    return [fault.name for fault in found]


def shared(total: int, faults: list[str]) -> int:
    """How many jobs each fault gets, so that there are so many in all; some take no more than they may."""
    share = 1
    while sum(min(share, BY_NAME[name].most) for name in faults) < total and share < total:
        share += 1
    return share


def _known(what: str, given: list[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise typer.BadParameter(f"There is no {what} {name}; there is {', '.join(known)}.")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    typer.run(main)
