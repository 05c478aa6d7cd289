"""Whether the parts are there that jobs need, asked now and within a bound: what `/readyz` and `livejobs check` tell.

A sentence names no more than the class of trouble: a driver's own text may hold an address or a password.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final

from channels.layers import channel_layers, get_channel_layer
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from livejobs.conf import conf
from livejobs.database import disk
from livejobs.health import presence
from livejobs.hints.publishing import Publisher, celery_app, is_refusal
from livejobs.per_process import PerProcess

ANSWER_SECONDS: Final = 2.0  # what has not answered by then counts as down
GIVE_UP_SECONDS: Final = 30.0  # a look that hangs for this long is left alone, and another one may begin
PING_SECONDS: Final = 0.05


class Status(StrEnum):
    """How one part is."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Overall(StrEnum):
    """How all of it is. Degraded: jobs are accepted, but wait or are not followed live."""

    READY = "ready"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one part: a short sentence, and for the workers how many serve each queue."""

    status: Status
    message: str
    queues: Mapping[str, int] | None = None


def look() -> dict[str, Finding]:
    """Ask every part, all at the same time; takes ANSWER_SECONDS at most."""
    looks = [_looks().at(parts) for parts in _PARTS]
    deadline = time.monotonic() + ANSWER_SECONDS
    found: dict[str, Finding] = {}
    for each in looks:
        each.done.wait(max(0.0, deadline - time.monotonic()))
        found |= {name: each.found.get(name) or _silent() for name in each.parts}
    return found


def overall(findings: Mapping[str, Finding]) -> Overall:
    """Sum up: without the database and its tables nothing is accepted, without the rest jobs wait."""
    if any(findings[name].status is Status.DOWN for name in ("database", "migrations")):
        return Overall.UNAVAILABLE
    fine = all(finding.status is Status.OK for finding in findings.values())
    return Overall.READY if fine else Overall.DEGRADED


def broker_answers(publisher: Publisher) -> bool:
    """Whether the broker answers; a host that runs its tasks inline needs none."""
    if celery_app().conf.task_always_eager:
        return True
    try:
        publisher.ping()
    except Exception:
        return False
    return True


# ---------------------------------------------------------------- the parts


def _database() -> Finding:
    with connections[conf.DATABASE].cursor() as cursor:
        cursor.execute("SELECT 1")
    if disk.is_full(conf.DATABASE):
        return Finding(Status.DOWN, _("Its disk is full."))
    return Finding(Status.OK, _("It answers."))


def _migrations() -> Finding:
    applied = MigrationRecorder(connections[conf.DATABASE]).applied_migrations()
    missing = len(_known_migrations() - set(applied))
    if not missing:
        return Finding(Status.OK, _("All are applied."))
    text = ngettext("%d is not applied; run migrate.", "%d are not applied; run migrate.", missing)
    return Finding(Status.DOWN, text % missing)


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    return frozenset(key for key in MigrationLoader(None).disk_migrations if key[0] == "livejobs")


def _workers() -> Finding:
    counts = presence.worker_counts()
    idle = [queue for queue, count in counts.items() if not count]
    if len(idle) == len(counts):
        return Finding(Status.DOWN, _("No worker is running."), counts)
    if idle:
        return Finding(Status.DEGRADED, _("No worker serves %s.") % ", ".join(idle), counts)
    served = ", ".join(f"{queue}: {count}" for queue, count in counts.items())
    return Finding(Status.OK, _("Workers for each queue: %s.") % served, counts)


def _maintenance() -> Finding:
    count = presence.maintainers()
    if not count:
        return Finding(Status.DOWN, _("No maintenance process is running."))
    return Finding(Status.OK, ngettext("%d process is running.", "%d processes are running.", count) % count)


def _broker() -> Finding:
    if celery_app().conf.task_always_eager:
        return Finding(Status.OK, _("Tasks run inline; none is needed."))
    publisher = Publisher()
    try:
        publisher.ping()
    except Exception as error:
        if not is_refusal(error):
            raise
        return Finding(Status.DOWN, _("It answers, and takes no messages."))
    finally:
        publisher.close()
    return Finding(Status.OK, _("A message went through it."))


def _channel_layer() -> Finding:
    if get_channel_layer(conf.CHANNEL_LAYER) is None:
        return Finding(Status.DOWN, _("None is set; live updates need one."))
    asyncio.run(_go_round(channel_layers.make_backend(conf.CHANNEL_LAYER)))
    return Finding(Status.OK, _("A message went through it."))


async def _go_round(layer: Any) -> None:
    """Send a message to ourselves until it arrives: what is sent before a subscription is confirmed is lost."""
    reader: asyncio.Task[Any] | None = None
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            channel = await layer.new_channel()
            reader = asyncio.create_task(layer.receive(channel))
            while not reader.done():
                await layer.send(channel, {"type": "livejobs.ping"})
                await asyncio.wait([reader], timeout=PING_SECONDS)
    finally:
        with suppress(Exception):  # first: a reader that ends would unsubscribe from a server that may be dead
            async with asyncio.timeout(ANSWER_SECONDS):
                await layer.flush()
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


Parts = Mapping[str, Callable[[], Finding]]
# what stands or falls together is asked on one thread, in order: where the first is down nothing is known of the rest
_PARTS: Final[tuple[Parts, ...]] = (
    {"database": _database, "migrations": _migrations, "workers": _workers, "maintenance": _maintenance},
    {"broker": _broker},
    {"channel_layer": _channel_layer},
)


# ---------------------------------------------------------------- asking


@dataclass(slots=True)
class _Look:
    """One look at parts, on a thread of its own."""

    parts: Parts
    begun_at: float = field(default_factory=time.monotonic)
    found: dict[str, Finding] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            for name, ask in self.parts.items():
                self.found[name] = self._ask(name, ask)
        finally:
            with suppress(Exception):
                connections.close_all()
            self.done.set()

    def _ask(self, name: str, ask: Callable[[], Finding]) -> Finding:
        first = next(iter(self.parts))
        if name != first and self.found[first].status is Status.DOWN:
            return Finding(Status.DOWN, _("Not known without the database."))
        try:
            return ask()
        except Exception as error:
            return _silent() if _timed_out(error) else Finding(Status.DOWN, _("It cannot be used."))


class _Looks:
    """The looks of this process: however many ask, each part is asked once at a time."""

    def __init__(self) -> None:
        self._last: dict[int, _Look] = {}
        self._lock = threading.Lock()

    def at(self, parts: Parts) -> _Look:
        """The look that is under way, else a new one."""
        with self._lock:
            found = self._last.get(id(parts))
            if found is None or found.done.is_set() or time.monotonic() - found.begun_at > GIVE_UP_SECONDS:
                found = self._last[id(parts)] = _Look(parts)
                threading.Thread(target=found.run, name=f"livejobs-look-{next(iter(parts))}", daemon=True).start()
            return found


_looks: Final = PerProcess(_Looks)


def _silent() -> Finding:
    return Finding(Status.DOWN, _("It does not answer within %d s.") % ANSWER_SECONDS)


def _timed_out(error: BaseException | None) -> bool:
    return error is not None and ("Timeout" in type(error).__name__ or _timed_out(error.__cause__ or error.__context__))
