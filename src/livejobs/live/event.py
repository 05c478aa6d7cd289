"""A message for screens, as `hints.channel_messages` makes it, read once per process and offered to every session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from livejobs.groups import list_groups
from livejobs.hints.channel_messages import ChannelMessage, Kind
from livejobs.protocol import PublicJob


class Event:
    """One hint that a row changed.

    :param group: the channel-layer group it came through.
    :param groups: the list groups that carry this job: its owner's and everyone's.
    :param rank: what the reducer compares, as one number: the higher wins.
    :param span: of a `log` event, the first and the last number of which it has all lines that are kept.
    """

    __slots__ = ("_job", "group", "groups", "job_id", "kind", "rank", "span", "text")

    def __init__(self, kind: Kind, job_id: int, owner_key: str, rank: int, text: str, *, group: str) -> None:
        self.kind = kind
        self.job_id = job_id
        self.group = group
        self.groups = list_groups(owner_key)
        self.rank = rank
        self.text = text
        self.span = (0, 0)
        self._job: PublicJob | None = None

    @property
    def job(self) -> PublicJob:
        """The public job inside a `job` event; decoded once, when somebody asks."""
        if self._job is None:
            self._job = cast("PublicJob", orjson.loads(self.text)["job"])
        return self._job


def job_rank(version: int, *, whole: bool) -> int:
    """Rank a job's fields: by version, at equal versions the untruncated one is higher."""
    return version << 1 | whole


def progress_rank(attempt: int, tick: int) -> int:
    """Rank a report of progress."""
    return attempt << 64 | tick


def read_event(received: Mapping[str, Any]) -> Event | None:
    """Read a channel-layer message; None for one that is not ours or of a version we do not know."""
    message = cast("ChannelMessage", received)
    try:
        kind, job_id, (first, second) = message["kind"], message["job"], message["rank"]
        if kind == "job":
            rank = job_rank(first, whole=bool(second))
        elif kind in ("progress", "open"):
            rank = progress_rank(first, second)
        elif kind in ("log", "gone"):
            rank = second
        else:
            return None
        event = Event(kind, job_id, message["owner_key"], rank, message["text"], group=message["group"])
        if kind == "log":
            event.span = (first, second)
    except (KeyError, TypeError, ValueError):
        return None
    return event
