"""What must be true, checked from outside: in the database, in the ledger, in /proc. What screens show is in `screens`.

Each check returns its violations, a sentence each; an empty list is what everybody wants.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from livejobs.conf import conf
from livejobs.models import Job, JobEvent, JobLog
from livejobs.states import CANCEL_RUNNING, CANCEL_WAITING, EDGES, FINISHED, State
from tests.chaos import ledger
from tests.chaos.load import Phase

CLAIM_SECONDS: Final = 2.0
_SOURCES: Final = {edge.name: edge.sources for edge in EDGES} | {
    "cancel": CANCEL_WAITING.sources | CANCEL_RUNNING.sources
}
_TARGETS: Final = {edge.name: {edge.target} for edge in EDGES} | {"cancel": {State.CANCELLED, State.RUNNING}}


def unfinished(ids: Sequence[int]) -> list[str]:
    """Accepted jobs that are not finished, or not there; asked by a range, because there may be thousands of ids."""
    if not ids:
        return []
    rows = dict(Job.objects.filter(id__range=(min(ids), max(ids))).values_list("id", "state"))
    lost = [f"job {job_id} was accepted and is gone" for job_id in ids if job_id not in rows]
    left = [f"job {job_id} is {rows[job_id]}" for job_id in ids if job_id in rows and rows[job_id] not in FINISHED]
    return lost + left


def check_history(ids: Sequence[int]) -> list[str]:
    """Versions without a gap, only legal edges, one finish per attempt, and each attempt's writes by its own owner."""
    found: list[str] = []
    rows = {job.id: job for job in Job.objects.filter(id__in=ids)}
    events = JobEvent.objects.filter(job_id__in=ids).order_by("job_id", "version")
    for job_id, group in itertools.groupby(events, key=lambda event: event.job_id):
        history = list(group)
        found += [f"job {job_id}: {sentence}" for sentence in _history(rows[job_id], history)]
    return found


def _history(row: Job, events: list[JobEvent]) -> list[str]:
    found: list[str] = []
    if [event.version for event in events] != list(range(1, row.version + 1)):
        found.append(f"versions {[event.version for event in events]}, the row has {row.version}")
    if (events[-1].state, events[-1].attempt) != (row.state, row.attempt):
        found.append(f"the last event says {events[-1].state}, the row {row.state}")
    owner, asked, finishes = "", False, Counter[int]()
    for before, after in itertools.pairwise(events):
        edge = after.data["edge"]
        if before.state not in _SOURCES[edge] or not _leads_to(edge, after.state):
            found.append(f"illegal edge {edge} from {before.state} to {after.state}")
        if after.attempt - before.attempt != (edge == "claim"):
            found.append(f"{edge} took the attempt from {before.attempt} to {after.attempt}")
        asked = edge == "cancel" or (asked and edge != "retry")
        if asked and (edge == "claim" or after.state in {State.QUEUED, State.RETRYING, State.SCHEDULED}):
            found.append(f"cancelled, and then {edge}")
        if edge == "claim":
            owner = after.actor
        elif edge in {"succeed", "fail", "stop", "back_off", "release", "rescue", "lose", "expire", "stopping"}:
            finishes[after.attempt] += edge != "stopping"
            if after.actor != owner:
                found.append(f"{edge} written by {after.actor} while {owner} held the lease")
    found += [f"attempt {attempt} ended {count} times" for attempt, count in finishes.items() if count > 1]
    return found


def _leads_to(edge: str, state: str) -> bool:
    instead = {"rescue", "release", "back_off", "lose", "expire"}
    return state in _TARGETS[edge] or (edge in instead and state == State.CANCELLED)


def check_log(ids: Sequence[int]) -> list[str]:
    """None of an attempt comes after one of the next; numbers are missing only between the first and the last lines."""
    found: list[str] = []
    last = dict(Job.objects.filter(id__in=ids).values_list("id", "log_seq"))
    lines = JobLog.objects.filter(job_id__in=ids).order_by("job_id", "seq")
    for job_id, group in itertools.groupby(lines, key=lambda line: line.job_id):
        rows = list(group)
        if rows[-1].seq != last[job_id] or _has_gaps(rows):
            found.append(f"job {job_id}: log numbers have gaps")
        attempts = [row.attempt for row in rows]
        if attempts != sorted(attempts):
            found.append(f"job {job_id}: lines of an older attempt after the next one's: {attempts}")
    return found


def _has_gaps(rows: Sequence[JobLog]) -> bool:
    """Whether a number is missing where no line may be left out: among the first ones of an attempt."""
    before, lines = 0, Counter[int]()
    for row in rows:
        if row.seq != before + 1 and lines[row.attempt] < conf.MAX_LOG_LINES // 2:
            return True
        before = row.seq
        lines[row.attempt] += 1
    return False


def check_ledger(path: Path, phase: Phase) -> list[str]:
    """No attempt runs twice, none that was not claimed runs, and nothing goes on after the next attempt has begun."""
    found: list[str] = []
    rows = {job.id: job for job in Job.objects.filter(id__in=phase.ids)}
    for job_id, ran in ledger.read(path, phase.ids).items():
        row = rows.get(job_id)
        if row is None:  # `finished` says so
            continue
        doubled = [attempt for attempt, count in Counter(ran.begun).items() if count > 1]
        if doubled:
            found.append(f"job {job_id}: attempts {doubled} ran twice")
        if len(ran.begun) > row.attempt:
            found.append(f"job {job_id}: {len(ran.begun)} executions of {row.attempt} attempts")
        if row.state == State.SUCCEEDED and (row.attempt, "end") not in ran.steps:
            found.append(f"job {job_id} succeeded, and its last attempt did not end")
        if phase.untouched and not phase.accepted[job_id].cancelled and ran.begun != _once(row):
            found.append(f"job {job_id}: no fault touched it, and it ran {ran.begun}")
    return found


def _once(row: Job) -> list[int]:
    """What a job that nobody disturbs does: one attempt, or one for each try it needs."""
    return list(range(1, 1 + row.failures + (row.state == State.SUCCEEDED)))


def check_cancels(path: Path, phase: Phase) -> list[str]:
    """What was cancelled before it began has no line in the ledger; what was cancelled ends soon."""
    found: list[str] = []
    executions = ledger.read(path, phase.ids)
    rows = dict(Job.objects.filter(id__in=phase.ids).values_list("id", "state"))
    for job_id, accepted in phase.accepted.items():
        if accepted.cancelled == "unstarted" and (executions[job_id].steps or rows.get(job_id) != State.CANCELLED):
            found.append(f"job {job_id} was cancelled before it began, and is {rows.get(job_id)}")
        if accepted.cancelled == State.CANCELLED and rows.get(job_id) != State.CANCELLED:
            found.append(f"job {job_id} was acknowledged as cancelled, and is {rows.get(job_id)}")
    return found


def check_claims(phase: Phase) -> list[str]:
    """Without a fault a job is claimed within two seconds of its acceptance."""
    if not phase.untouched:
        return []
    claims = JobEvent.objects.filter(job_id__in=phase.ids, attempt=1, data__edge="claim").select_related("job")
    late = timedelta(seconds=CLAIM_SECONDS)
    return [
        f"job {event.job_id} was claimed {(event.at - event.job.created_at).total_seconds():.1f} s after its acceptance"
        for event in claims
        if event.at - event.job.created_at > late + phase.committed_late.get(event.job_id, timedelta(0))
    ]


def check_owners() -> list[str]:
    """No running row without an owner that lives."""
    return [
        f"job {job.id} is running, and its owner {job.worker} is not"
        for job in Job.objects.running()
        if not Path(f"/proc/{(job.worker or ':0').rsplit(':', 1)[1]}").exists()
    ]


def check_refusals(phase: Phase) -> list[str]:
    """Nothing was refused for another reason than a database that was away, and everything was accepted in the end."""
    return [f"refused: {sentence}" for sentence in phase.refused]
