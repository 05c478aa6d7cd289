"""What the server says of a job and of its timeline: the facts that need no clock, no time zone and no plural.

The page's scripts say the same, and what lives: `describe.js` passes the same vectors, and a browser test holds one
rendering against the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from livejobs.protocol import PublicJob
from livejobs.sanitize import marked, plain
from livejobs.states import BY_PEOPLE, FINISHED, EdgeName, ErrorReason, State
from livejobs.web.timeline import Step, StepError
from livejobs.web.words import WORDS, say

ERROR_MAX: Final = 200  # characters of an error's first line that a row shows
PARAM_MAX: Final = 40  # characters of a text that a row shows; a longer one is not shown at all
PARAMS_MAX: Final = 3
_SECRET: Final = re.compile(
    r"pass|pwd|secret|token|credential|signature|auth(?!or(?!iz))|(^|_|api|access|private)(key|pin)s?(_|$)",
    re.IGNORECASE,
)
_REASONS: Final = {ErrorReason.LOST.value: "lost", ErrorReason.TIMEOUT.value: "timed_out"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A known share of the work."""

    value: float
    max: float


@dataclass(frozen=True, slots=True)
class Facts:
    """A job as a row shows it at once. `kind` names the icon and the colour; state is never told by colour alone.

    :param error: why it failed, in one line; else empty, and the scripts write the second line.
    :param actions: those that are legal now and allowed.
    """

    id: int
    kind: str
    word: str
    name: str
    sub: str
    bar: Bar | None
    error: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepFacts:
    """A step as the timeline shows it at once.

    :param what: what happened there; empty for an edge of another version.
    :param next_at: when the next attempt is due, or None.
    :param actor: who did it.
    """

    kind: str
    word: str
    at: str
    what: str
    next_at: str | None
    actor: str
    error: StepError | None
    message: str


def facts_of(job: PublicJob, rights: Sequence[str] = ()) -> Facts:
    """Say what a row says at once.

    :param rights: what the reader may do at all, as in `hello`.
    """
    kind = _kind(job)
    return Facts(
        id=job["id"],
        kind=kind,
        word=say(kind),
        name=marked(job["name"] or job["title"]),
        sub=job["title"] if job["name"] else _what_for(job) or (job["task"] if job["task"] != job["title"] else ""),
        bar=_bar(job),
        error=_failure(job) if job["state"] == State.FAILED else "",
        actions=_actions(job, rights),
    )


def steps_of(steps: Sequence[Step]) -> list[StepFacts]:
    """Say what the timeline says at once, oldest first."""
    return [_step(step) for step, before in zip(steps, (None, *steps), strict=False) if not _told(step, before)]


def _kind(job: PublicJob) -> str:
    """The state, or `cancelling` for a running job that was asked to stop."""
    return "cancelling" if job["state"] == State.RUNNING and job["cancel_requested_at"] else job["state"]


def _what_for(job: PublicJob) -> str:
    """What tells jobs of one task apart: the first short params, no secret."""
    params = job["params"] if isinstance(job["params"], dict) else {}
    told = ((name, _shortly(value)) for name, value in params.items() if not _SECRET.search(name))
    return " · ".join([marked(f"{name}: {text}") for name, text in told if text][:PARAMS_MAX])


def _shortly(value: object) -> str:
    """A word, a number, yes or no, as JavaScript writes it; empty for all else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        if value and not 1e-4 <= abs(value) < 1e16:  # beyond, Python and JavaScript write it differently
            return ""
        whole = isinstance(value, int) or value.is_integer()
        return str(int(value)) if whole else str(value)
    if isinstance(value, str) and len(value) <= PARAM_MAX and "\n" not in value and "\r" not in value:
        return plain(value).strip()
    return ""


def _actions(job: PublicJob, rights: Sequence[str]) -> tuple[str, ...]:
    if job["state"] in FINISHED:
        return ("retry",) if "retry" in rights and job["state"] != State.SUCCEEDED else ()
    return ("cancel",) if "cancel" in rights and not job["cancel_requested_at"] else ()


def _bar(job: PublicJob) -> Bar | None:
    """A bar where the total is known and the job runs; never a fake one."""
    current, total = job["progress"]["current"], job["progress"]["total"]
    if job["state"] != State.RUNNING or current is None or not total or total < 0:
        return None
    return Bar(min(max(current, 0), total), total)


def _failure(job: PublicJob) -> str:
    error = job["error"]
    if error is None:
        return ""
    text = ": ".join(part for part in (error["type"], error["message"]) if part)
    return _own_words(error) or plain(text).split("\n", 1)[0][:ERROR_MAX]


def _own_words(error: Mapping[str, Any]) -> str:
    """What the page says of a reason that is ours; empty where the job's own type and message tell."""
    key = _REASONS.get(error["reason"])
    return say(key) if key else ""


def _plain(error: StepError | None) -> StepError | None:
    """An error without what a terminal would obey; the scripts make its colours."""
    return cast("StepError", {name: plain(str(text)) for name, text in error.items()}) if error else None


def _told(step: Step, before: Step | None) -> bool:
    """Whether the step before it says it already: a cancel says that the attempt is being stopped."""
    return step["edge"] == EdgeName.STOPPING and before is not None and before["edge"] == EdgeName.CANCEL


def _step(step: Step) -> StepFacts:
    edge, actor, error = step["edge"], step["actor"], _plain(step["error"])
    kind = "cancelling" if edge == EdgeName.CANCEL and step["state"] == State.RUNNING else step["state"]
    return StepFacts(
        kind=kind,
        word=say(kind),
        at=step["at"],
        what=say(f"edge_{edge}", n=step["attempt"]) if f"edge_{edge}" in WORDS else "",
        next_at=step["run_at"],
        actor=say("by", actor=actor) if actor and edge in BY_PEOPLE else actor,
        error=error,
        message=(_own_words(error) or error["message"]) if error else "",
    )
