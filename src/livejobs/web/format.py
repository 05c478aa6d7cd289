"""Numbers and durations as the page writes them. `format.js` is its twin; both pass tests/vectors/describe.json.

Durations are whole milliseconds and are cut, not rounded: the two languages round halves differently.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from livejobs.web.words import say

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
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
