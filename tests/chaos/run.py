"""One run: a cluster, people, and one fault after the other, with every check after each."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from django.db import close_old_connections, connection, transaction

from tests.chaos import invariants, resources
from tests.chaos.clients import Client, People, new_browser
from tests.chaos.cluster import Cluster, Process, wait
from tests.chaos.faults import Fault
from tests.chaos.load import Accepted, Phase, mixture, start_all
from tests.chaos.report import Row

FINISH_SECONDS: Final = 60.0
CONVERGE_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.2
SLOW_COMMIT_SECONDS: Final = 1.0
SPREAD_SECONDS: Final = 4.0  # over which the jobs of a fault are started, at least
JOBS_A_SECOND: Final = 10
FREE_JOBS_A_SECOND: Final = 4  # where a worker must be free for each
HARMFUL: Final = ("hungry", "stuck_in_c", "poison")  # jobs that are the fault themselves


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of everything."""

    jobs: int  # of each fault
    observers: int
    starters: int = 4
    patience: float = FINISH_SECONDS


class Run:
    """A cluster under people's hands."""

    def __init__(self, cluster: Cluster, amount: Amount, seed: int) -> None:
        self.cluster, self.amount, self.chance = cluster, amount, random.Random(seed)
        self.people = People()
        self.starters: list[Client] = []
        self.observers: list[Client] = []
        self._held: dict[int, tuple[Process, resources.Held]] = {}
        self._phases: list[Phase] = []

    def open(self) -> None:
        """Open every page: one browser, whose jobs all its tabs see."""
        cookie = new_browser(self.cluster.ports[0])
        count = self.amount.starters + self.amount.observers
        clients = [Client(self.cluster.ports, cookie, self.chance.getrandbits(32)) for _ in range(count)]
        self.starters, self.observers = clients[: self.amount.starters], clients[self.amount.starters :]
        for client in self.observers:
            client.listing = True
        self.people.run(_open(clients)).result(60)

    def close(self) -> None:
        """Close every page."""
        self.people.close()
        connection.close()

    # ------------------------------------------------------------ one fault

    def perform(self, fault: Fault) -> Row:
        """Start jobs, do harm, heal it, and check everything."""
        row, phase = Row(fault.name), Phase(fault.name, untouched=fault.untouched)
        plans = mixture(min(self.amount.jobs, fault.most), self.chance, fault.kinds)
        spread = min(
            max(SPREAD_SECONDS, len(plans) / (FREE_JOBS_A_SECOND if fault.untouched else JOBS_A_SECOND)),
            0.4 * len(plans),
        )
        load = self.people.run(
            start_all(
                phase, self.starters, self.observers, plans,
                spread=spread, cancel=fault.cancel, chance=random.Random(self.chance.getrandbits(32)),
            )
        )  # fmt: skip
        wait(min(1.0, spread / 4))
        if fault.transaction:
            self._start_in_a_slow_transaction(phase)
        if fault.name == "screens_dropped":
            row.injected = self._drop_screens()
        else:
            row.injected = fault.inject(self.cluster, self.chance)
        healed_at = time.monotonic()
        load.result(200)
        self._finish(row, phase, healed_at)
        self._phases.append(phase)
        self.check(row, phase)
        self._converge(row, phase)
        self.people.run(_forget(self.observers)).result(60)
        self.cluster.wait_until_whole()
        row.jobs = len(phase.accepted)
        row.injected += sum(accepted.task in HARMFUL for accepted in phase.accepted.values())
        row.slowest_start = max((accepted.seconds for accepted in phase.accepted.values()), default=0.0)
        return row

    def _finish(self, row: Row, phase: Phase, healed_at: float) -> None:
        def left() -> list[str]:
            return invariants.unfinished(phase.ids)

        found = self._until_nothing(left, healed_at + self.amount.patience)
        row.recovery = time.monotonic() - healed_at
        row.lost = sum("gone" in sentence for sentence in found)
        row.stuck = len(found) - row.lost
        row.add("finished", found)

    def check(self, row: Row, phase: Phase) -> None:
        """Check what can be seen in the database and in the ledger."""
        ledger = self.cluster.ledger
        doubled = invariants.check_ledger(ledger, phase)
        row.doubled = sum("twice" in sentence or "executions" in sentence for sentence in doubled)
        row.add("ledger", doubled)
        row.add("history", invariants.check_history(phase.ids))
        row.add("log", invariants.check_log(phase.ids))
        row.add("cancel", invariants.check_cancels(ledger, phase))
        row.add("claimed", invariants.check_claims(phase))
        row.add("owners", invariants.check_owners())
        row.add("refused", invariants.check_refusals(phase))

    def _converge(self, row: Row, phase: Phase) -> None:
        begun = time.monotonic()

        def wrong() -> list[str]:
            return invariants.check_views(self.observers, phase.ids)

        found = self._until_nothing(wrong, begun + CONVERGE_SECONDS)
        row.convergence = time.monotonic() - begun
        row.add("views", found)

    def _until_nothing(self, look: Callable[[], list[str]], give_up_at: float) -> list[str]:
        while True:
            close_old_connections()
            try:
                found = look()
            except Exception as error:
                connection.close()
                found = [f"the database could not be asked: {error}"]
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

    def _drop_screens(self) -> int:
        for _ in range(3):
            self.people.run(_drop(self.observers)).result(20)
            wait(0.7)
        return 3 * len(self.observers)

    # ------------------------------------------------------------ what processes hold

    def remember_held(self) -> None:
        """Look at what every process holds while nothing happens."""
        for process in self.cluster.processes:
            held = self._look(process)
            if held is not None:
                self._held[process.pid] = (process, held)

    def check_held(self) -> list[str]:
        """What the same processes hold now that nothing happens again."""
        return [
            sentence
            for pid, (process, before) in self._held.items()
            if process.pid == pid and (after := self._look(process)) is not None
            for sentence in resources.compare(f"{process.name} ({pid})", before, after)
        ]

    def _look(self, process: Process) -> resources.Held | None:
        """What a process holds beside the sockets of the screens, which go from one web process to the other."""
        held = resources.held(process.pid)
        ports = dict(zip((each.name for each in self.cluster.named("web")), self.cluster.ports, strict=True))
        screens = sum(client.port == ports.get(process.name) for client in self.starters + self.observers)
        return held and replace(held, descriptors=held.descriptors - screens)


def run_faults(run: Run, faults: Sequence[Fault], say: Callable[[str], Any]) -> list[Row]:
    """Do one fault after the other."""
    rows: list[Row] = []
    for number, fault in enumerate(faults):
        begun = time.monotonic()
        row = run.perform(fault)
        rows.append(row)
        verdict = "ok" if not row.violations else "VIOLATED: " + ", ".join(row.violations)
        say(f"{fault.name:32} {time.monotonic() - begun:6.1f} s  {verdict}")
        if number == 0:
            run.remember_held()
    last = Row("at the end")
    run.check_again(last)
    give_up_at = time.monotonic() + CONVERGE_SECONDS
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


async def _forget(observers: Sequence[Client]) -> None:
    await asyncio.gather(*(client.unwatch(job_id) for client in observers for job_id in tuple(client.watched)))


async def _drop(observers: Sequence[Client]) -> None:
    await asyncio.gather(*(client.drop() for client in observers))
