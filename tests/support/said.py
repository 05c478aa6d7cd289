"""What a row reads, written a second time, in Python and in English: what the page's own `describe.js` is held against.

The chaos suite compares pages and browsers with this; `tests/vectors/describe.json` binds both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import date_format

from livejobs.protocol import PublicJob
from livejobs.sanitize import plain
from livejobs.states import FINISHED, ErrorReason, State
from livejobs.web.words import say

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
HIDDEN: Final = frozenset(
    "\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u2800\u3164\ufeff\uffa0\ufff9\ufffa\ufffb"
) | {chr(number) for number in (*range(0x202A, 0x202F), *range(0x2060, 0x2070))}
_STEPS: Final = ((10 * SECOND, SECOND), (MINUTE, 5 * SECOND), (10 * MINUTE, 10 * SECOND), (math.inf, MINUTE))


def millis(moment: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time."""
    return math.floor(datetime.fromisoformat(moment).timestamp() * SECOND + 0.5)


def whole(duration: int) -> str:
    """A duration in milliseconds as a person counts it while it grows: `8 s`, `2 min 5 s`, `1 h`."""
    duration = max(0, duration)
    if duration < MINUTE:
        return say("seconds", s=duration // SECOND)
    if duration < HOUR:
        return _two("minutes", duration, MINUTE, SECOND)
    return _two("hours", duration, HOUR, MINUTE) if duration < DAY else _two("days", duration, DAY, HOUR)


def _two(unit: str, duration: int, large: int, small: int) -> str:
    rest = duration % large // small
    return say(unit if rest else f"{unit}_only", n=duration // large, rest=rest)


def exact(duration: int) -> str:
    """A duration in milliseconds that is over: below ten seconds with a tenth, `3.0 s`."""
    duration = max(0, duration)
    if duration >= 10 * SECOND:
        return whole(duration)
    return say("seconds", s=f"{duration // SECOND}.{duration % SECOND // 100}")


def estimate(duration: int) -> int:
    """A duration still to come, in steps that do not flicker: 1 s, then 5 s, 10 s from a minute on, whole minutes."""
    step = next(step for below, step in _STEPS if duration < below)
    return max(SECOND, -(-duration // step) * step)


def number(value: float) -> str:
    """A count with its thousands apart; a fraction keeps one digit."""
    if float(value).is_integer():
        return f"{int(value):,}"
    tenths = math.floor(abs(value) * 10)
    return f"{'-' if value < 0 else ''}{tenths // 10:,}.{tenths % 10}"


# ---------------------------------------------------------------- a row

ERROR_MAX: Final = 200  # characters of an error's first line that a row shows
LEFT_AFTER: Final = 2 * SECOND  # time left is a guess before that …
LEFT_FROM: Final = 0.05  # … and before that share is done
_REASONS: Final = {ErrorReason.LOST.value: "lost", ErrorReason.TIMEOUT.value: "timed_out"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A known share of the work."""

    value: float
    max: float


@dataclass(frozen=True, slots=True)
class Row:
    """A job as a row shows it. `kind` names the icon and the colour; state is never told by colour alone."""

    id: int
    kind: str
    word: str
    line: str
    name: str
    sub: str
    bar: Bar | None
    actions: tuple[str, ...]


def describe(job: PublicJob, now: int, rights: Sequence[str] = ()) -> Row:
    """Say what a row says.

    :param now: the server's time in milliseconds since 1970.
    :param rights: what the reader may do at all, as in `hello`.
    """
    kind = kind_of(job)
    return Row(
        id=job["id"],
        kind=kind,
        word=say(kind),
        line=_LINES[kind](job, now),
        name=shown(job["name"] or job["title"]),
        sub=job["title"] if job["name"] else " · ".join(told_of(job)) or other_word(job),
        bar=bar_of(job),
        actions=actions_of(job, rights),
    )


def other_word(job: PublicJob) -> str:
    """The task, where its title is another word."""
    return "" if job["task"] == job["title"] else job["task"]


def told_of(job: PublicJob) -> list[str]:
    """The first three params that are short, and no secret."""
    params: Any = job["params"] or {}
    told = []
    for name, value in params.items():
        text = ""
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, int | float) and (value == 0 or 1e-4 <= abs(value) < 1e16):
            text = str(int(value)) if value == int(value) else repr(value)
        elif isinstance(value, str) and len(value) <= 40 and not set(value) & {"\n", "\r"}:
            text = plain(value).strip()
        if text and not is_secret(name):
            told.append(shown(f"{name}: {text}"))
    return told[:3]


def is_secret(name: str) -> bool:
    """Whether a param's name says that it is nobody's business."""
    small = name.lower()
    words = re.split("_|(?<=api)(?=key|pin)|(?<=access)(?=key|pin)|(?<=private)(?=key|pin)", small)
    parts = ("pass", "pwd", "secret", "token", "credential", "signature")
    return (
        any(part in small for part in parts)
        or bool(re.search("auth(oriz|(?!or))", small))
        or bool({"key", "keys", "pin", "pins"} & set(words))
    )


def shown(text: str) -> str:
    """A text with what is hidden in it shown."""
    return "".join(f"[U+{ord(letter):04X}]" if letter in HIDDEN else letter for letter in text)


def kind_of(job: PublicJob) -> str:
    """The state, or `cancelling` for a running job that was asked to stop."""
    return "cancelling" if job["state"] == State.RUNNING and job["cancel_requested_at"] else job["state"]


def actions_of(job: PublicJob, rights: Sequence[str]) -> tuple[str, ...]:
    """The actions that are legal now and allowed at all."""
    if job["state"] in FINISHED:
        return ("retry",) if "retry" in rights and job["state"] != State.SUCCEEDED else ()
    return ("cancel",) if "cancel" in rights and not job["cancel_requested_at"] else ()


def bar_of(job: PublicJob) -> Bar | None:
    """A bar where the total is known and the job runs; never a fake one."""
    current, total = job["progress"]["current"], job["progress"]["total"]
    if job["state"] != State.RUNNING or current is None or not total or total < 0:
        return None
    return Bar(min(max(current, 0), total), total)


def _scheduled(job: PublicJob, _now: int) -> str:
    moment = datetime.fromtimestamp(millis(job["run_at"] or job["created_at"]) / SECOND, UTC)
    return say("starts_at", time=date_format(timezone.localtime(moment), "H:i"))


def _queued(job: PublicJob, now: int) -> str:
    # of a job that was queued again nobody knows since when it waits: the row does not say
    if job["attempt"]:
        return say("waiting")
    return say("waiting_for", time=whole(now - millis(job["created_at"])))


def _running(job: PublicJob, now: int) -> str:
    current, total = job["progress"]["current"], job["progress"]["total"]
    elapsed = now - millis(job["started_at"] or job["created_at"])
    parts = [whole(elapsed)]
    if current and total and elapsed >= LEFT_AFTER and LEFT_FROM <= current / total < 1:
        parts.append(say("left", time=whole(estimate(int(elapsed * (total - current) / current)))))
    if current is not None:
        parts.append(f"{number(current)}/{number(total)}" if total else number(current))
    if job["progress"]["message"]:
        parts.append(job["progress"]["message"])
    if job["attempt"] > 1:
        parts.append(say("attempt", n=job["attempt"]))
    return " · ".join(parts)


def _cancelling(job: PublicJob, now: int) -> str:
    asked = whole(now - millis(job["cancel_requested_at"] or job["created_at"]))
    late = job["stopping_at"] and now - millis(job["stopping_at"]) >= 5 * SECOND
    return say("interrupting" if late else "asked", time=asked)


def _retrying(job: PublicJob, now: int) -> str:
    values = {"n": job["attempt"] + 1, "of": job["retries"] + 1}
    rest = millis(job["run_at"]) - now if job["run_at"] else 0
    return say("retry_in", **values, time=whole(rest + SECOND - 1)) if rest > 0 else say("retry_soon", **values)


def _took(job: PublicJob) -> int:
    if not job["started_at"] or not job["finished_at"]:
        return 0
    return millis(job["finished_at"]) - millis(job["started_at"])


def _failed(job: PublicJob, _now: int) -> str:
    return failure_of(job)


def failure_of(job: PublicJob) -> str:
    """Why the job failed, in one line."""
    error = job["error"]
    if error is None:
        return ""
    if own := own_words(error):
        return own
    text = plain(": ".join(part for part in (error["type"], error["message"]) if part))
    return text.split("\n", 1)[0][:ERROR_MAX]


def own_words(error: Mapping[str, Any]) -> str:
    """What the page says of a reason that is ours; empty where the job's own type and message tell."""
    key = _REASONS.get(error["reason"])
    return say(key) if key else ""


def _succeeded(job: PublicJob, _now: int) -> str:
    return say("took", time=exact(_took(job)))


def _cancelled(job: PublicJob, _now: int) -> str:
    # a job that waited is cancelled and finished in one write; its started_at, if any, is of an earlier attempt
    ran = job["started_at"] and job["finished_at"] != job["cancel_requested_at"]
    return say("stopped_after", time=exact(_took(job))) if ran else say("never_started")


_LINES: Final[dict[str, Callable[[PublicJob, int], str]]] = {
    "scheduled": _scheduled,
    "queued": _queued,
    "running": _running,
    "cancelling": _cancelling,
    "retrying": _retrying,
    "succeeded": _succeeded,
    "failed": _failed,
    "cancelled": _cancelled,
}
