"""Progress that a job shows by a bar of tqdm or rich, read from the line in which it is drawn."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from livejobs.definition import Attempt
from livejobs.sanitize import plain

_MOST_TEXT: Final = 1_000  # characters of a line with a bar; colours count
_THOUSANDS: Final = {prefix: 1000.0**power for power, prefix in enumerate(("", *"kMGTPEZYRQ"))}
_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]\d+)?"
_COUNT = rf"(?P<n>{_NUMBER})(?P<nk>[kMGTPEZYRQ]?)/(?:(?P<total>{_NUMBER})(?P<tk>[kMGTPEZYRQ]?)|\?)"
_PERCENT = r"(?<![\d.])(?P<percent>\d{1,3}(?:\.\d+)?) ?%"
_DRAWN = r"(?:[█▏▎▍▌▋▊▉ ]+|#*\d? *|[^\w|]+)"  # unicode, ascii, or characters that somebody chose
_TIME = r"\d+:\d\d(?::\d\d)?"
_TIMES = rf"\[{_TIME}<(?:{_TIME}|\?|\d+ days?, {_TIME})(?:, +(?P<rate>[^,\]]+)(?:, (?P<postfix>.*?))?)?\]"
_DESC = r"(?P<desc>.*)"
_TQDM: Final = (
    re.compile(rf"{_DESC}{_PERCENT}\|{_DRAWN}\|(?: *{_COUNT}\S*)?(?: {_TIMES}|[ ,].*|)\s*"),
    re.compile(rf"{_DESC}{_PERCENT} {_COUNT}\S* {_TIMES}\s*"),  # ncols=0
    re.compile(rf"{_DESC}(?<![\d./]){_COUNT}\S* {_TIMES}.*"),  # a format of one's own
    re.compile(  # no total
        rf"(?:{_DESC}: )?(?<![\d.])(?P<n>{_NUMBER})(?P<unit>[^\d\[\]][^\[\]]*?) "
        rf"\[{_TIME}, +(?P<rate>[^,\]]+/[^,\]]+)(?:, (?P<postfix>.*?))?\]\s*"
    ),
)
_SCALED_UNIT: Final = re.compile(r"([kMGTPEZYRQ])(it|i?B|)")
_RICH_BAR: Final = re.compile(r"[━╸╺](?:[━╸╺ ]*[━╸╺])?")
_RICH_COUNT: Final = re.compile(r"(?<![\d./,])(?P<n>\d[\d,]*(?:\.\d+)?) ?/ ?(?P<total>\d[\d,]*(?:\.\d+)?)(?![\d./])")
_RICH_PERCENT: Final = re.compile(_PERCENT)
_RICH_SPINNER: Final = re.compile(r"^[\u2800-\u28ff\s]+")


class Bar(NamedTuple):
    """What a bar says."""

    current: float
    total: float | None
    message: str

    @property
    def is_full(self) -> bool:
        """Whether nothing is left to do."""
        return self.total is not None and self.current >= self.total


class BarReader:
    """Follows the bar that an attempt draws. A bar inside of another moves nothing; one after another begins anew.

    :param attempt: whose lines are read.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._ended = ""
        self._bar: Bar | None = None
        self._other: Bar | None = None  # seen in place of one that is not full, once

    def look(self) -> Bar | None:
        """Read what is drawn now; without one, what the last bar said."""
        attempt = self._attempt
        ended, drawn, rest = attempt.drawn_last, attempt.drawn, attempt.open_line
        if ended != self._ended:
            self._ended, bar = ended, bar_in(ended)
            if bar is not None and (self._bar is None or self._bar.is_full or self._continues(bar) or not rest):
                self._bar, self._other = bar, None
        bar = bar_in(drawn)
        if bar is not None:
            self._take(bar)
        return self._bar

    def _take(self, bar: Bar) -> None:
        """A bar in place of one that is not full is there at the next look too, or only about to move up or down."""
        if self._bar is None or self._bar.is_full or self._continues(bar) or self._other is not None:
            self._bar, self._other = bar, None
        else:
            self._other = bar

    def _continues(self, bar: Bar) -> bool:
        return self._bar is not None and self._bar.total == bar.total


def bar_in(text: str) -> Bar | None:
    """Read the bar that counts of some lines: the topmost that has something left to do, else the last."""
    found = None
    for line in text.split("\n") if text else ():
        bar = _tqdm(line) or _rich(line)
        if bar is not None:
            found = bar
            if not bar.is_full:
                break
    return found


def _tqdm(line: str) -> Bar | None:
    if len(line) > _MOST_TEXT or not ("%" in line or "[" in line):
        return None
    line = plain(line)
    for pattern in _TQDM:
        if match := pattern.fullmatch(line):
            return _bar_of(match.groupdict())
    return None


def _bar_of(found: dict[str, str | None]) -> Bar:
    message = " · ".join(filter(None, ((found["desc"] or "").strip().removesuffix(":"), found.get("postfix"))))
    if found["n"] is None:
        return Bar(_plain_number(float(found["percent"] or 0)), 100, message)
    current, prefix = float(found["n"]), found.get("nk") or ""
    if scaled := _SCALED_UNIT.fullmatch(found.get("unit") or ""):  # "1.2kB" is 1200, "3m" are three metres
        prefix = scaled[1]
    current *= _THOUSANDS[prefix]
    total = found.get("total")
    if total is None:
        return Bar(_plain_number(current), None, message)
    return Bar(_plain_number(current), _plain_number(float(total) * _THOUSANDS[found["tk"] or ""]), message)


def _rich(line: str) -> Bar | None:
    if len(line) > _MOST_TEXT or "━" not in line:
        return None
    line = plain(line)
    bar = _RICH_BAR.search(line)
    if bar is None:
        return None
    before, after = line[: bar.start()], line[bar.end() :]
    message = _RICH_SPINNER.sub("", before)
    for part in (after, before):
        for pattern in (_RICH_COUNT, _RICH_PERCENT):
            if match := pattern.search(part):
                if part is before:
                    message = message.replace(match[0], "", 1)
                return _rich_bar(match.groupdict(), message.strip())
    return None


def _rich_bar(found: dict[str, str | None], message: str) -> Bar:
    if "percent" in found:
        return Bar(_plain_number(float(found["percent"] or 0)), 100, message)
    current, total = (_plain_number(float((found[name] or "0").replace(",", ""))) for name in ("n", "total"))
    return Bar(current, total, message)


def _plain_number(number: float) -> float:
    number = round(number, 9)  # 1.2 thousands are 1200
    return int(number) if number.is_integer() else number
