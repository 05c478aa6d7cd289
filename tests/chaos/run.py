"""One run: a cluster, people, and one fault after the other, with every check after each."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from django.db import close_old_connections, connection, transaction

from livejobs.protocol import LIST_DEFAULT
from tests.chaos import failpoints, invariants, resources
from tests.chaos.clients import Client, People, new_browser
from tests.chaos.cluster import Cluster, Process, wait
from tests.chaos.faults import Fault
from tests.chaos.load import Accepted, Phase, Plan, mixture, start_all, start_at_once
from tests.chaos.report import Row
from tests.chaos.screens import Screens
from tests.chaos.stage import Stage

FINISH_SECONDS: Final = 60.0
FINISHED_A_SECOND: Final = 30  # beside that: two cores run no more of the shortest jobs, whatever was healed
CONVERGE_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.2
LET_GO_SECONDS: Final = 20.0  # until what browsers and servers keep open for the next request is closed
SLOW_COMMIT_SECONDS: Final = 3.0  # longer than a worker takes to look for a job, on a busy machine, too
SPREAD_SECONDS: Final = 4.0  # over which the jobs of a fault are started, at least
JOBS_A_SECOND: Final = 10
FREE_JOBS_A_SECOND: Final = 4  # where a worker must be free for each
HARMFUL: Final = ("hungry", "stuck_in_c", "poison")  # jobs that are the fault themselves


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of everything."""

    jobs: int  # of each fault
    observers: int
    browsers: int
    burst: int  # jobs that are started as fast as can be
    starters: int = 4
    patience: float = FINISH_SECONDS


class Run:
    """A cluster under people's hands."""

    def __init__(self, cluster: Cluster, amount: Amount, seed: int) -> None:
        self.cluster, self.amount, self.chance = cluster, amount, random.Random(seed)
        self.people = People()
        cookie = new_browser(cluster.ports[0])  # one person's, whose jobs all screens see
        self.starters = [Client(cluster.ports, cookie, self._number()) for _ in range(amount.starters)]
        self.screens = Screens(cluster, cookie, amount.observers, amount.browsers)
        self._held: dict[int, list[resources.Held]] = {}  # by process id
        self._phases: list[Phase] = []

    def open(self) -> None:
        """Open every page."""
        self.people.run(_open(self.starters)).result(60)
        self.screens.open()

    def close(self) -> None:
        """Close every page."""
        self.screens.close()
        self.people.close()
        connection.close()

    # ------------------------------------------------------------ one fault

    def perform(self, fault: Fault) -> Row:
        """Start jobs, do harm, heal it, and check everything; once more with slow snapshots where the fault says so."""
        row = Row(fault.name)
        for slow in (False, True) if fault.twice else (False,):
            phase = Phase(f"{fault.name} slow" if slow else fault.name, untouched=fault.untouched)
            self._perform(row, phase, fault, slow=slow)
        if fault.twice and len(self.screens.pages.observers) > 1:
            # from here on some pages show fifty rows again, beside those that have long lists
            self.screens.pages.reopen(0)
        return row

    def _perform(self, row: Row, phase: Phase, fault: Fault, *, slow: bool) -> None:
        stage = self._stage(phase, fault, slow=slow)
        if fault.before is not None:
            fault.before(stage)
        plans = mixture(min(self.amount.jobs, fault.most), self.chance, fault.kinds)
        spread = min(
            max(SPREAD_SECONDS, len(plans) / (FREE_JOBS_A_SECOND if fault.untouched else JOBS_A_SECOND)),
            0.4 * len(plans),
        )
        stage.start(plans, spread)
        wait(min(1.0, spread / 4))
        if fault.transaction:
            self._start_in_a_slow_transaction(phase)
        with failpoints.slow_snapshots() if slow else nullcontext():
            harm = fault.inject(self.cluster, self.chance)
            harm += fault.screens(stage) if fault.screens is not None else 0
        healed_at = time.monotonic()
        stage.await_loads()
        self._finish(row, phase, healed_at)
        self.converge(row)
        self._phases.append(phase)
        self.check(row, phase)
        self.screens.pages.unwatch()
        self.screens.least = LIST_DEFAULT
        self.cluster.wait_until_whole()
        harm += sum(accepted.task in HARMFUL for accepted in phase.accepted.values())
        if not harm and not fault.untouched:
            row.add("injected", ["the fault did no harm"])
        row.jobs += len(phase.accepted)
        row.injected += harm
        row.slowest_start = max((accepted.seconds for accepted in phase.accepted.values()), default=0.0)

    def _stage(self, phase: Phase, fault: Fault, *, slow: bool) -> Stage:
        people, starters, watch = self.people, self.starters, self.screens.pages.watch

        def begin(plans: Sequence[Plan], seconds: float) -> Future[None]:
            chance = random.Random(self._number())
            work = start_all(phase, starters, watch, plans, spread=seconds, cancel=fault.cancel, chance=chance)
            return people.run(work)

        def begin_at_once(count: int) -> Future[None]:
            return people.run(start_at_once(phase, starters, watch, count, random.Random(self._number())))

        return Stage(self.cluster, self.screens, self.chance, self.amount.burst, slow, begin, begin_at_once)

    def _number(self) -> int:
        return self.chance.getrandbits(32)

    def _finish(self, row: Row, phase: Phase, healed_at: float) -> None:
        def left() -> list[str]:
            return invariants.unfinished(phase.ids)

        patience = self.amount.patience + len(phase.ids) / FINISHED_A_SECOND
        found = self._until_nothing(left, healed_at + patience)
        row.recovery = max(row.recovery, time.monotonic() - healed_at)
        lost = sum("gone" in sentence for sentence in found)
        row.lost += lost
        row.stuck += len(found) - lost
        row.add("finished", found)

    def check(self, row: Row, phase: Phase) -> None:
        """Check what can be seen in the database and in the ledger."""
        ledger = self.cluster.ledger
        doubled = invariants.check_ledger(ledger, phase)
        row.doubled += sum("twice" in sentence or "executions" in sentence for sentence in doubled)
        row.add("ledger", doubled)
        row.add("history", invariants.check_history(phase.ids))
        row.add("log", invariants.check_log(phase.ids))
        row.add("cancel", invariants.check_cancels(ledger, phase))
        row.add("claimed", invariants.check_claims(phase))
        row.add("owners", invariants.check_owners())
        row.add("refused", invariants.check_refusals(phase))

    def converge(self, row: Row) -> None:
        """Check that everything is shown as it is, ten seconds after it is so, and after there is somebody to ask."""
        self.cluster.wait_until_served()
        begun = time.monotonic()
        found = self._until_nothing(self.screens.wrong, begun + CONVERGE_SECONDS)
        took = time.monotonic() - begun
        if not found and took > CONVERGE_SECONDS:  # the last look began in time and ended later
            found = [f"all was right only after {took:.1f} s"]
        row.convergence = max(row.convergence, took)
        row.shortest = min(self.screens.rows, default=0)
        row.longest = max(row.longest, max(self.screens.rows, default=0))
        row.add("views", found)

    def _until_nothing(self, look: Callable[[], list[str]], give_up_at: float) -> list[str]:
        while True:
            close_old_connections()
            try:
                found = look()
            except Exception as error:
                connection.close()
                found = [f"it could not be looked at: {error}"]
            if not found or time.monotonic() > give_up_at:
                return found
            time.sleep(LOOK_SECONDS)

    def check_again(self, row: Row) -> None:
        """Check every phase once more, at the end: a zombie may write long after its job was done."""
        for phase in self._phases:
            again = Row(phase.name)
            self.check(again, phase)
            for check, found in again.violations.items():
                row.add(check, [f"{phase.name}: {sentence}" for sentence in found])

    # ------------------------------------------------------------ what faults need of people

    def _start_in_a_slow_transaction(self, phase: Phase) -> None:
        """Start jobs as a host's code does, inside a transaction with other work in it."""
        from livejobs import actions
        from livejobs.models import Job
        from livejobs.policy import Person

        self._await_first(phase)
        key = Job.objects.values_list("owner_key", flat=True).get(id=phase.ids[0])
        with transaction.atomic():
            jobs = [actions.start("tests.chaos.jobs.quick", owner=Person(None, (key,))) for _ in range(4)]
            if connection.vendor == "postgresql":  # on SQLite nobody else could write meanwhile
                wait(SLOW_COMMIT_SECONDS)
        committed = timedelta(seconds=SLOW_COMMIT_SECONDS if connection.vendor == "postgresql" else 0)
        # an acceptance is its commit; the row's own time is that of the beginning
        phase.committed_late |= dict.fromkeys((job.id for job in jobs), committed)
        phase.accepted |= {job.id: Accepted(job.id, job.task, 0.0) for job in jobs}

    def _await_first(self, phase: Phase) -> None:
        give_up_at = time.monotonic() + FINISH_SECONDS
        while not phase.accepted and time.monotonic() < give_up_at:
            time.sleep(LOOK_SECONDS)

    # ------------------------------------------------------------ what processes hold

    def remember_held(self) -> None:
        """Look at what every process holds while nothing happens."""
        for process in self.cluster.processes:
            held = self._look(process)
            if held is not None:
                self._held.setdefault(process.pid, []).append(held)

    def check_held(self) -> list[str]:
        """What the same processes hold too much of at the end."""
        return [
            sentence
            for process in self.cluster.processes
            if (before := resources.most(self._held.get(process.pid, []))) is not None
            if (after := self._look(process)) is not None
            for sentence in resources.compare(f"{process.name} ({process.pid})", before, after)
        ]

    def _look(self, process: Process) -> resources.Held | None:
        """What a process holds beside the sockets of the screens, which go from one web process to the other."""
        held = resources.held(process.pid)
        ports = dict(zip((each.name for each in self.cluster.named("web")), self.cluster.ports, strict=True))
        sockets = [client.port for client in self.starters] + self.screens.ports()
        screens = sockets.count(ports.get(process.name, -1))
        return held and replace(held, descriptors=held.descriptors - screens)


def run_faults(run: Run, faults: Sequence[Fault], say: Callable[[str], Any]) -> list[Row]:
    """Do one fault after the other."""
    rows: list[Row] = []
    for fault in faults:
        begun = time.monotonic()
        row = run.perform(fault)
        rows.append(row)
        verdict = "ok" if not row.violations else "VIOLATED: " + ", ".join(row.violations)
        say(f"{fault.name:32} {time.monotonic() - begun:6.1f} s  {verdict}")
        run.remember_held()
    last = Row("at the end")
    run.check_again(last)
    run.converge(last)
    run.screens.reopen()  # what a web process holds for a thousand rows on each page is no leak
    give_up_at = time.monotonic() + LET_GO_SECONDS
    while (found := run.check_held()) and time.monotonic() < give_up_at:
        time.sleep(LOOK_SECONDS)
    last.add("resources", found)
    rows.append(last)
    return rows


async def _open(clients: Sequence[Client]) -> None:
    loop = asyncio.get_running_loop()
    for client in clients:
        client.keeping = loop.create_task(client.keep())
    await asyncio.gather(*(client.connected.wait() for client in clients))
