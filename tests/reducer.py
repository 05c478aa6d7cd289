"""The reducer of the wire, as design.md section 6 says it: the reference that the page's JobStore is held against.

Three merges that know nothing of each other: a job's fields by version (at equal versions the untruncated one), its
progress by (attempt, tick), its log by seq. What comes early is kept; what is gone stays gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from livejobs.states import FINISHED, State

NO_PROGRESS: Final = {"tick": 0, "current": None, "total": None, "message": ""}


@dataclass
class Known:
    fields: dict[str, Any] | None = None
    at: tuple[int, int] = (-1, 0)
    progress: dict[str, Any] = field(default_factory=lambda: dict(NO_PROGRESS))
    log: dict[int, dict[str, Any]] = field(default_factory=dict)


class Reducer:
    """What one screen knows."""

    def __init__(self) -> None:
        self.jobs: dict[int, Known] = {}
        self.gone: set[int] = set()

    def apply(self, message: dict[str, Any]) -> None:
        action = message["action"]
        if action == "batch":
            for each in message["messages"]:
                self.apply(each)
        elif action == "progress":
            self._progress(message["job_id"], message["attempt"], message)
        elif action == "log":
            self._log(message["job_id"], message["lines"])
        elif action == "gone":
            self.gone.add(message["job_id"])
            self.jobs.pop(message["job_id"], None)
        else:
            for job in [message["job"]] if "job" in message else message.get("jobs", []):
                self._fields(job)
                self._log(job["id"], message.get("log", []))

    def view(self) -> dict[str, Any]:
        """What is shown: every job with its progress and its log."""
        return {
            str(job_id): {
                **known.fields,
                "progress": self._shown(known),
                "log": [known.log[seq] for seq in sorted(known.log)],
            }
            for job_id, known in sorted(self.jobs.items())
            if known.fields is not None
        }

    def _known(self, job_id: int) -> Known | None:
        return None if job_id in self.gone else self.jobs.setdefault(job_id, Known())

    def _fields(self, job: dict[str, Any]) -> None:
        known = self._known(job["id"])
        if known is None:
            return
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

    def _shown(self, known: Known) -> dict[str, Any]:
        assert known.fields is not None
        visible = known.fields["state"] in FINISHED | {State.RUNNING}
        return known.progress if visible else dict(NO_PROGRESS)


def _rank(job: dict[str, Any]) -> tuple[int, bool]:
    return job["version"], not job.get("truncated", False)
