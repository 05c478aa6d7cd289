"""What goes over the channel layer: messages for screens, each encoded once, and the one for workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict

from livejobs.groups import job_group, list_groups, workers_group
from livejobs.hints.public_job import public_job
from livejobs.models import Job
from livejobs.protocol import LogLine, Progress, encode

Kind = Literal["job", "progress", "log", "open", "gone"]
MESSAGE_TYPE: Final = "livejobs.event"


class ChannelMessage(TypedDict):
    """One message for screens.

    :param group: the group it was sent to.
    :param rank: what the reducer compares: of `job` (version, 1 if untruncated), of `progress` and `open` (attempt,
        tick), of `log` the line after the last one before it, and its last: between the two nothing else is to be read.
    :param text: what a browser is sent.
    """

    type: str
    group: str
    kind: Kind
    job: int
    owner_key: str
    rank: list[int]
    text: str


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A message and the group that is to hear it."""

    group: str
    message: Mapping[str, Any]


def job_events(job: Job) -> list[Broadcast]:
    """A changed job: whole for those who look at it, truncated where large for lists."""
    full = encode({"action": "job", "job": public_job(job)})
    short = public_job(job, truncate=True)
    truncated = "truncated" in short
    listed = encode({"action": "job", "job": short}) if truncated else full
    rank = [job.version, 0 if truncated else 1]
    return [
        _event(job_group(job.id), "job", job.id, job.owner_key, [job.version, 1], full),
        *(_event(group, "job", job.id, job.owner_key, rank, listed) for group in list_groups(job.owner_key)),
    ]


def progress_events(job_id: int, owner_key: str, attempt: int, progress: Progress, memory: int = 0) -> list[Broadcast]:
    """A report of progress.

    :param memory: what its processes hold now, in bytes; 0: not measured.
    """
    now = {"memory": memory} if memory else {}
    text = encode({"action": "progress", "job_id": job_id, "attempt": attempt, **progress, **now})
    rank = [attempt, progress["tick"]]
    groups = (job_group(job_id), *list_groups(owner_key))
    return [_event(group, "progress", job_id, owner_key, rank, text) for group in groups]


def log_events(job_id: int, owner_key: str, lines: Sequence[LogLine], after: int | None = None) -> list[Broadcast]:
    """New log lines, for those who look at the job.

    :param after: the last line before them; None: the one with the number before.
    """
    first = lines[0]["seq"] if after is None else after + 1
    text = encode({"action": "log", "job_id": job_id, "lines": list(lines)})
    return [_event(job_group(job_id), "log", job_id, owner_key, [first, lines[-1]["seq"]], text)]


def open_events(job_id: int, owner_key: str, attempt: int, tick: int, seq: int, text: str) -> list[Broadcast]:
    """The line that has no end yet, for those who look at the job."""
    message = {"action": "open", "job_id": job_id, "attempt": attempt, "tick": tick, "seq": seq, "text": text}
    return [_event(job_group(job_id), "open", job_id, owner_key, [attempt, tick], encode(message))]


def gone_events(job_id: int, owner_key: str) -> list[Broadcast]:
    """A job that was pruned or deleted."""
    text = encode({"action": "gone", "job_id": job_id})
    groups = (job_group(job_id), *list_groups(owner_key))
    return [_event(group, "gone", job_id, owner_key, [0, 0], text) for group in groups]


def stop_event(job_id: int, attempt: int) -> Broadcast:
    """Tell the workers that a cancel was asked for; the row says so too."""
    return Broadcast(workers_group(), {"type": "livejobs.stop", "job": job_id, "attempt": attempt})


def _event(group: str, kind: Kind, job_id: int, owner_key: str, rank: list[int], text: str) -> Broadcast:
    message: ChannelMessage = {
        "type": MESSAGE_TYPE,
        "group": group,
        "kind": kind,
        "job": job_id,
        "owner_key": owner_key,
        "rank": rank,
        "text": text,
    }
    return Broadcast(group, message)
