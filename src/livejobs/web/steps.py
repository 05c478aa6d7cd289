"""What the timeline says of each step; `elements/timeline.js` is its twin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format

from livejobs.states import FINISHED, State
from livejobs.web.describe import own_words
from livejobs.web.format import SECOND, exact, millis
from livejobs.web.timeline import Step, StepError
from livejobs.web.words import WORDS, say

BY_PEOPLE: Final = frozenset({"accept", "cancel", "retry"})  # the edges whose actor is a user; else it is a worker


@dataclass(frozen=True, slots=True)
class Line:
    """A step as the timeline shows it.

    `took` is how long the job stayed there; `rest` says what happened, what follows and who did it.
    """

    kind: str
    word: str
    took: str
    at: str
    time: str
    rest: str
    error: StepError | None
    message: str


def lines_of(steps: Sequence[Step], now: int) -> list[Line]:
    """Say what the timeline says.

    :param now: the server's time in milliseconds since 1970.
    """
    shown = [step for step, before in zip(steps, (None, *steps), strict=False) if not _told(step, before)]
    return [_line(step, shown[at] if at < len(shown) else None, now) for at, step in enumerate(shown, 1)]


def _told(step: Step, before: Step | None) -> bool:
    """Whether the step before it says it already: a cancel says that the attempt is being stopped."""
    return step["edge"] == "stopping" and before is not None and before["edge"] == "cancel"


def _line(step: Step, after: Step | None, now: int) -> Line:
    kind = "cancelling" if step["edge"] == "cancel" and step["state"] == State.RUNNING else step["state"]
    error = step["error"]
    return Line(
        kind=kind,
        word=say(kind),
        took=_took(step, after, now),
        at=step["at"],
        time=_clock(step["at"]),
        rest=" · ".join(_rest(step)),
        error=error,
        message=(own_words(error) or error["message"]) if error else "",
    )


def _took(step: Step, after: Step | None, now: int) -> str:
    if after is None and step["state"] in FINISHED:
        return ""
    return exact((millis(after["at"]) if after else now) - millis(step["at"]))


def _rest(step: Step) -> Iterable[str]:
    if f"edge_{step['edge']}" in WORDS:
        yield say(f"edge_{step['edge']}", n=step["attempt"])
    if step["run_at"]:
        yield say("edge_next", time=_clock(step["run_at"]))
    if step["actor"]:
        yield say("by", actor=step["actor"]) if step["edge"] in BY_PEOPLE else step["actor"]


def _clock(moment: str) -> str:
    at = datetime.fromtimestamp(millis(moment) / SECOND, UTC)
    return date_format(timezone.localtime(at), "H:i:s")
