"""What a session asks of its shell, and what it is told in return. The session itself does no I/O.

A client's commands are requests too; these are the others.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

from livejobs.live.logs import Chunk
from livejobs.protocol import AnyCommand, HelloMessage, LogLine, PublicJob, Watch, encode

TUTORIAL_LIST: Final = 50  # newest jobs of the session that a client of the tutorial's dialect follows


@dataclass(frozen=True, slots=True)
class Greet:
    """Say who is there and what may be started: the `hello`."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """See whether user and session are still the same; has no answer."""


@dataclass(frozen=True, slots=True)
class StartNamed:
    """The tutorial's start: a task by the last part of its name, without params."""

    last_part: str
    name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a watch of a list reads: who asks, and what they may see, has been settled.

    :param rows: the jobs of the list's scope, a lazy QuerySet.
    :param key: equal for two that read the same rows of the same tables, by the same words.
    """

    rows: Any
    limit: int
    key: Hashable


@dataclass(frozen=True, slots=True)
class ReadSnapshot:
    """Read what a watch shows. Asked after its groups were joined, so that nothing falls between."""

    watch: Watch
    listing: Listing | None = None  # of a list


Request = AnyCommand | Greet | Recheck | StartNamed | ReadSnapshot


@dataclass(frozen=True, slots=True)
class Hello:
    """The answer to `Greet`."""

    message: HelloMessage


class Scope(Protocol):
    """The jobs that a list would show if it had no end; a lazy QuerySet, which only the hub's questions read."""

    def running(self) -> Any:
        """Those of them that hold a lease."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The answer to a watch: allowed, and these channel-layer groups carry its events; of a list, its scope too."""

    groups: tuple[str, ...]
    jobs: Scope | None = None
    listing: Listing | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to start, cancel and retry."""

    job: PublicJob


@dataclass(frozen=True)
class Jobs:
    """The snapshot of a list, newest first.

    :param just_finished: the ids of those that finished a short while ago (the tutorial's dialect repeats them).
    """

    jobs: list[PublicJob]
    more: bool
    just_finished: frozenset[int] = frozenset()

    @cached_property
    def text(self) -> str:
        """The jobs as JSON, encoded once for all who share this answer."""
        return encode(self.jobs)


@dataclass(frozen=True, slots=True)
class OneJob:
    """The snapshot of one job, with the first of its log lines above `log_after`.

    :param groups: the list groups that carry the job.
    """

    job: PublicJob
    lines: list[LogLine]
    groups: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Nothing:
    """The answer where there is nothing to say."""


Answer = Hello | Groups | Done | Jobs | OneJob | Nothing


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Read log lines above `after`. Runs beside the other requests; its answer is a `Chunk` or None."""

    job_id: int
    after: int


LogAnswer = Chunk | None
