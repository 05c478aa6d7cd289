"""The states of a job and the table of legal edges between them.

The table is data, and it drives the code: `transitions` takes every edge as it stands here, and nothing else knows
which is legal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a job is. The value is what the database and the wire carry."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
WAITING: Final = frozenset({State.SCHEDULED, State.QUEUED, State.RETRYING})
ACTIVE: Final = frozenset(State) - FINISHED


class StopReason(StrEnum):
    """Why a running attempt is being stopped."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    SHUTDOWN = "shutdown"
    LEASE_LOST = "lease lost"


class ErrorReason(StrEnum):
    """Why a job failed: the `reason` of its error."""

    EXCEPTION = "exception"
    RESULT = "result"
    PARAMS = "params"
    LOST = "lost"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    MEMORY = "memory"


class EdgeName(StrEnum):
    """What an edge is called in a job's timeline, in signals and in the log. `protocol.js` has the same."""

    ACCEPT = "accept"
    DUE = "due"
    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL = "fail"
    BACK_OFF = "back_off"
    EXPIRE = "expire"
    STOPPING = "stopping"
    STOP = "stop"
    RELEASE = "release"
    RESCUE = "rescue"
    LOSE = "lose"
    CANCEL = "cancel"
    RETRY = "retry"


BY_PEOPLE: Final = frozenset({EdgeName.ACCEPT, EdgeName.CANCEL, EdgeName.RETRY})  # their actor is a user, not a worker


@dataclass(frozen=True, slots=True)
class Edge:
    """One legal move.

    :param sources: where it may begin; empty for a job that is new.
    :param fenced: only the owner of the lease may take it (compare attempt and lease_owner).
    :param unless_cancelled: not with a cancel asked for.
    :param otherwise: the edge that is taken in its place then; None: none.
    """

    name: EdgeName
    sources: frozenset[State]
    target: State
    fenced: bool = False
    unless_cancelled: bool = False
    otherwise: Edge | None = None


def _edge(name: EdgeName, *sources: State, to: State, fenced: bool = False, unless_cancelled: bool = False) -> Edge:
    return Edge(name, frozenset(sources), to, fenced, unless_cancelled)


def _leaving(name: EdgeName, *, to: State) -> Edge:
    """An edge by which an attempt ends that nobody finished: with a cancel asked for the job is cancelled instead."""
    return Edge(name, frozenset({State.RUNNING}), to, fenced=True, unless_cancelled=True, otherwise=STOP)


ACCEPT: Final = _edge(EdgeName.ACCEPT, to=State.QUEUED)
ACCEPT_FOR_LATER: Final = _edge(EdgeName.ACCEPT, to=State.SCHEDULED)
DUE: Final = _edge(EdgeName.DUE, State.SCHEDULED, State.RETRYING, to=State.QUEUED, unless_cancelled=True)
CLAIM: Final = _edge(EdgeName.CLAIM, State.QUEUED, to=State.RUNNING, unless_cancelled=True)
SUCCEED: Final = _edge(EdgeName.SUCCEED, State.RUNNING, to=State.SUCCEEDED, fenced=True)
FAIL: Final = _edge(EdgeName.FAIL, State.RUNNING, to=State.FAILED, fenced=True)
MARK_STOPPING: Final = _edge(EdgeName.STOPPING, State.RUNNING, to=State.RUNNING, fenced=True)
STOP: Final = _edge(EdgeName.STOP, State.RUNNING, to=State.CANCELLED, fenced=True)
BACK_OFF: Final = _leaving(EdgeName.BACK_OFF, to=State.RETRYING)
EXPIRE: Final = _leaving(EdgeName.EXPIRE, to=State.FAILED)
RELEASE: Final = _leaving(EdgeName.RELEASE, to=State.QUEUED)
RESCUE: Final = _leaving(EdgeName.RESCUE, to=State.QUEUED)
LOSE: Final = _leaving(EdgeName.LOSE, to=State.FAILED)
CANCEL_WAITING: Final = _edge(EdgeName.CANCEL, *WAITING, to=State.CANCELLED)
CANCEL_RUNNING: Final = _edge(EdgeName.CANCEL, State.RUNNING, to=State.RUNNING)
RETRY: Final = _edge(EdgeName.RETRY, *FINISHED, to=State.QUEUED)

EDGES: Final[tuple[Edge, ...]] = (
    ACCEPT, ACCEPT_FOR_LATER, DUE, CLAIM, SUCCEED, FAIL, MARK_STOPPING, STOP, BACK_OFF, EXPIRE, RELEASE, RESCUE, LOSE,
    CANCEL_WAITING, CANCEL_RUNNING, RETRY,
)  # fmt: skip


def legal(source: State, target: State) -> bool:
    """Say whether any edge leads from `source` to `target`; property tests judge every recorded event by it."""
    return any(
        source in edge.sources and target in {edge.target, edge.otherwise.target if edge.otherwise else edge.target}
        for edge in EDGES
    )
