"""Rescues jobs whose lease was seen unchanged too long. No clock but this process's own monotonic one is asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from livejobs import transitions
from livejobs.conf import conf
from livejobs.health import presence
from livejobs.leases import Lease
from livejobs.log_events import LogEvent, fields
from livejobs.maintenance.locks import short_lock_wait
from livejobs.models import Job, Presence

logger = logging.getLogger("livejobs.maintenance")

SLOW_ROUND_SECONDS: Final = 2.0  # a round that took longer is no evidence: a writer may have blocked the owners too
LOCK_SECONDS: Final = 2.0


@dataclass(slots=True)
class Sighting:
    """A lease as it was first seen with this beat."""

    beat: int
    since: float  # own monotonic seconds, when the reply came


class Rescuer:
    """One round every BEAT_SECONDS. Any number may run: the rescue compares lease owner and beat."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock = name, clock
        self._sightings: dict[Lease, Sighting] = {}
        self._last_look = clock()

    def round(self) -> int:
        """Look at every lease, rescue what was silent for LEASE_SECONDS; returns how many."""
        began = self._clock()
        try:
            presence.beat(presence.MAINTENANCE, self._name)  # a write: when this blocks, so do the owners' renewals
            seen = self._read()
        except Exception:
            self._sightings.clear()
            raise
        replied = self._clock()
        if replied - began > SLOW_ROUND_SECONDS or began - self._last_look > conf.LEASE_SECONDS / 2:
            self._sightings.clear()  # slow, or late: what froze this process may have frozen the owners too
        self._last_look = replied
        silent = self._compare(seen, began, replied)
        return sum(self._rescue(lease, beat) for lease, beat in silent)

    def _read(self) -> dict[Lease, int]:
        running = Job.objects.using(conf.DATABASE).running().values_list("id", "attempt", "lease_owner", "beat")
        return {Lease(job_id, attempt, owner): beat for job_id, attempt, owner, beat in running}

    def _compare(self, seen: dict[Lease, int], began: float, replied: float) -> list[tuple[Lease, int]]:
        """Keep the sightings; answer with the leases unchanged from the first reply to this round's send."""
        sightings: dict[Lease, Sighting] = {}
        silent: list[tuple[Lease, int]] = []
        for lease, beat in seen.items():
            sighting = self._sightings.get(lease)
            if sighting is None or sighting.beat != beat:
                sighting = Sighting(beat, replied)
            elif began - sighting.since >= conf.LEASE_SECONDS:
                silent.append((lease, beat))
            sightings[lease] = sighting
        self._sightings = sightings
        return silent

    def _rescue(self, lease: Lease, beat: int) -> bool:
        """Rescue one job; not tried again: the next round has fresh evidence."""
        try:
            with short_lock_wait(LOCK_SECONDS):
                job = transitions.rescue(lease, beat)
        except Exception:
            self._sightings.pop(lease, None)
            logger.exception(
                "Job %d could not be rescued", lease.job_id,
                extra=fields(LogEvent.JOB_RESCUE_FAILED, job=lease.job_id, attempt=lease.attempt),
            )  # fmt: skip
            return False
        if job is not None:
            logger.warning(
                "Job %d was silent for %.0f s: %s", job.id, conf.LEASE_SECONDS, job.state,
                extra=fields(
                    LogEvent.JOB_SILENT, job=job.id, task=job.task, attempt=lease.attempt, worker=job.worker,
                    state=job.state,
                ),
            )  # fmt: skip
        return job is not None


def requeue_orphans() -> int:
    """Take every running job from its owner at once, and publish every queued one again.

    Only for a server that is alone with its database (`livejobs up` under its data lock, before a worker starts):
    nobody else can hold a lease. Returns how many jobs were running.
    """
    Presence.objects.using(conf.DATABASE).all().delete()
    running = Job.objects.using(conf.DATABASE).running().values_list("id", "attempt", "lease_owner", "beat")
    rescued = [
        transitions.rescue(Lease(job_id, attempt, owner), beat) for job_id, attempt, owner, beat in list(running)
    ]
    Job.objects.using(conf.DATABASE).queued().unpublish()
    return sum(job is not None for job in rescued)
