"""The states of a job and the table of legal edges between them.

The table is data. `transitions` is its only reader that writes; nothing else knows which edge is legal.
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


@dataclass(frozen=True, slots=True)
class Edge:
    """One legal move.

    `fenced`: only the owner of the lease may take it (compare attempt and lease_owner).
    `unless_cancelled`: with a cancel asked for it leads to `State.CANCELLED` instead (a claim: nowhere).
    """

    name: str
    sources: frozenset[State]
    target: State
    fenced: bool = False
    unless_cancelled: bool = False


def _edge(name: str, *sources: State, to: State, fenced: bool = False, unless_cancelled: bool = False) -> Edge:
    return Edge(name, frozenset(sources), to, fenced, unless_cancelled)


CLAIM: Final = _edge("claim", State.QUEUED, to=State.RUNNING, unless_cancelled=True)
SUCCEED: Final = _edge("succeed", State.RUNNING, to=State.SUCCEEDED, fenced=True)
FAIL: Final = _edge("fail", State.RUNNING, to=State.FAILED, fenced=True)
STOP: Final = _edge("stop", State.RUNNING, to=State.CANCELLED, fenced=True)
BACK_OFF: Final = _edge("back_off", State.RUNNING, to=State.RETRYING, fenced=True, unless_cancelled=True)
RELEASE: Final = _edge("release", State.RUNNING, to=State.QUEUED, fenced=True, unless_cancelled=True)
RESCUE: Final = _edge("rescue", State.RUNNING, to=State.QUEUED, fenced=True, unless_cancelled=True)
LOSE: Final = _edge("lose", State.RUNNING, to=State.FAILED, fenced=True, unless_cancelled=True)
EXPIRE: Final = _edge("expire", State.RUNNING, to=State.FAILED, fenced=True, unless_cancelled=True)
MARK_STOPPING: Final = _edge("stopping", State.RUNNING, to=State.RUNNING, fenced=True)
DUE: Final = _edge("due", State.SCHEDULED, State.RETRYING, to=State.QUEUED)
CANCEL_WAITING: Final = _edge("cancel", *WAITING, to=State.CANCELLED)
CANCEL_RUNNING: Final = _edge("cancel", State.RUNNING, to=State.RUNNING)
RETRY: Final = _edge("retry", *FINISHED, to=State.QUEUED)

EDGES: Final[tuple[Edge, ...]] = (
    CLAIM, SUCCEED, FAIL, STOP, BACK_OFF, RELEASE, RESCUE, LOSE, EXPIRE,
    MARK_STOPPING, DUE, CANCEL_WAITING, CANCEL_RUNNING, RETRY,
)  # fmt: skip


def legal(source: State, target: State) -> bool:
    """Say whether any edge leads from `source` to `target`; property tests judge every recorded event by it."""
    return any(
        source in edge.sources
        and (target == edge.target or (edge.unless_cancelled and edge is not CLAIM and target == State.CANCELLED))
        for edge in EDGES
    )
