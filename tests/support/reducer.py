"""The reducer of the wire, as design.md section 6 says it: the reference that the page's JobStore is held against.

Four merges that know nothing of each other: a job's fields by version (at equal versions the untruncated one), its
progress by (attempt, tick), its log by seq, of which the first and the last lines stay, and the line that has no end
yet by (attempt, tick). What comes early is kept; what is gone stays gone. And what no watch covers is not shown,
because nobody would tell when it changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from livejobs.protocol import LOG_MAX, ErrorCode
from livejobs.states import FINISHED, State

NO_PROGRESS: Final = {"tick": 0, "current": None, "total": None, "message": ""}


@dataclass
class Known:
    fields: dict[str, Any] | None = None
    at: tuple[int, int] = (-1, 0)
    progress: dict[str, Any] = field(default_factory=lambda: dict(NO_PROGRESS))
    log: dict[int, dict[str, Any]] = field(default_factory=dict)
    open: dict[str, Any] | None = None
    epoch: int = 0


@dataclass
class Watched:
    """One watch: until it is answered it covers all that it may come to show."""

    ref: Any
    job_id: int | None
    before: float
    from_id: float = 0
    answered: bool = False
    epoch: int = 0

    def covers(self, job_id: int) -> bool:
        return job_id == self.job_id if self.job_id is not None else self.from_id <= job_id < self.before


class Reducer:
    """What one screen knows: of the messages of the server, and of the `watch` and `unwatch` frames it sends."""

    def __init__(self) -> None:
        self.jobs: dict[int, Known] = {}
        self.gone: set[int] = set()
        self.watches: dict[Any, Watched] = {}
        self._epoch = 0

    @property
    def answered(self) -> bool:
        """Whether every watch was answered on this connection."""
        return all(watched.answered for watched in self.watches.values())

    def apply(self, message: dict[str, Any]) -> None:
        match message["action"]:
            case "batch":
                for part in message["messages"]:
                    self.apply(part)
            case "hello":
                for each in self.watches.values():
                    each.answered, each.from_id = False, 0
            case "watch":
                before = (message.get("jobs") or {}).get("before") or inf
                self._epoch += 1
                self.watches[message["id"]] = Watched(
                    message.get("ref"), message.get("job_id"), before, epoch=self._epoch
                )
            case "unwatch":
                self.watches.pop(message["id"], None)
            case "snapshot":  # one of an earlier command, too, tells of jobs: the server will not tell that again
                watched = self._current(message)
                if watched is not None:
                    watched.answered = True
                if watched is not None and "jobs" in message:
                    watched.from_id, watched.before = message["from_id"], message["before"] or inf
                for job in message["jobs"] if "jobs" in message else [message["job"]]:
                    self._fields(job)
                if "log" in message:
                    self._log(message["job"]["id"], message["log"])
                if watched is not None and "jobs" in message:
                    self._forget(watched)
            case "narrowed" if narrowed := self._current(message):
                narrowed.from_id = message["from_id"]
            case "error" if message.get("ref") is not None and message["code"] != ErrorCode.UNAVAILABLE:
                self.watches = {key: each for key, each in self.watches.items() if each.ref != message["ref"]}
            case "progress":
                self._progress(message["job_id"], message["attempt"], message)
            case "log":
                self._log(message["job_id"], message["lines"])
            case "open":
                self._open(message["job_id"], message)
            case "gone":
                self.gone.add(message["job_id"])
                self.jobs.pop(message["job_id"], None)
            case "job" | "ack" if "job" in message:
                self._fields(message["job"])
        self.jobs = {job_id: known for job_id, known in self.jobs.items() if self._covers(job_id)}

    def view(self) -> dict[str, Any]:
        """What is shown: every job with its progress and its log."""
        return {
            str(job_id): {
                **known.fields,
                "progress": self._shown(known),
                "log": [known.log[seq] for seq in sorted(known.log)],
                **({"open": text} if (text := self._open_text(known)) else {}),
            }
            for job_id, known in sorted(self.jobs.items())
            if known.fields is not None
        }

    def _current(self, message: dict[str, Any]) -> Watched | None:
        """The watch of a message, unless it is of an earlier command with the same id."""
        watched = self.watches.get(message["watch"])
        return watched if watched is not None and watched.ref == message.get("ref") else None

    def _covers(self, job_id: int, *, answered: bool = False) -> bool:
        return any(each.covers(job_id) for each in self.watches.values() if each.answered or not answered)

    def _forget(self, watched: Watched) -> None:
        """What was told before a list was asked for, and it lacks, is no more, or no longer ours."""
        single = {each.job_id for each in self.watches.values() if each.answered}
        for job_id, known in list(self.jobs.items()):
            if known.epoch < watched.epoch and watched.covers(job_id) and job_id not in single:
                del self.jobs[job_id]

    def _known(self, job_id: int) -> Known | None:
        if job_id in self.gone or not self._covers(job_id):
            return None
        return self.jobs.setdefault(job_id, Known())

    def _fields(self, job: dict[str, Any]) -> None:
        known = self._known(job["id"])
        if known is None:
            return
        if self._covers(job["id"], answered=True):  # else a list asked for says whether it is there
            known.epoch = self._epoch
        if known.fields is None or _rank(job) > _rank(known.fields):
            known.fields = job
        self._progress(job["id"], job["attempt"], job["progress"])

    def _progress(self, job_id: int, attempt: int, progress: dict[str, Any]) -> None:
        known = self._known(job_id)
        if known is not None and (attempt, progress["tick"]) > known.at:
            known.at = (attempt, progress["tick"])
            known.progress = {name: progress[name] for name in NO_PROGRESS}

    def _log(self, job_id: int, lines: Iterable[dict[str, Any]]) -> None:
        known = self._known(job_id)
        if known is not None:
            for line in lines:
                known.log.setdefault(line["seq"], line)
            for seq in sorted(known.log)[LOG_MAX // 2 : -LOG_MAX // 2]:
                del known.log[seq]

    def _open(self, job_id: int, line: dict[str, Any]) -> None:
        known = self._known(job_id)
        at = (line["attempt"], line["tick"])
        if known is not None and (known.open is None or at > (known.open["attempt"], known.open["tick"])):
            known.open = line

    def _open_text(self, known: Known) -> str:
        """The line that has no end yet: of the attempt that runs, until a line with its number is there."""
        assert known.fields is not None
        if known.open is None or known.fields["state"] != State.RUNNING:
            return ""
        current = known.open["attempt"] == known.fields["attempt"] and known.open["seq"] > max(known.log, default=0)
        return str(known.open["text"]) if current else ""

    def _shown(self, known: Known) -> dict[str, Any]:
        """A running job shows its latest progress, a finished one that of its row; the others show none."""
        assert known.fields is not None
        if known.fields["state"] in FINISHED:
            return dict(known.fields["progress"])
        return known.progress if known.fields["state"] == State.RUNNING else dict(NO_PROGRESS)


def _rank(job: dict[str, Any]) -> tuple[int, bool]:
    return job["version"], not job.get("truncated", False)
