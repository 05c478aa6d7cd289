"""The end of a terminal's screen: the lines that what a job writes may still change.

A terminal is obeyed as far as programs draw with it: a carriage return starts a line over (a progress bar), the cursor
moves up over several lines that are drawn again (nested bars, rich), a line is erased. A line that nothing can change
any more is given away, once; an ordinary one as soon as it ends.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MOST_ROWS: Final = 50  # that are held open; the topmost is given away then
HOLD_SECONDS: Final = 1.0  # how long lines wait, after the cursor was hidden, for being drawn again
_MOVES: Final = re.compile(r"[\r\n]|\x1b\[([0-9;?]*)([ABEFGHJKfhl])")
_DRAWS: Final = re.compile(r"\r|\x1b\[[0-9;?]*[ABEFGHJKfhl]")  # the same but for ends of lines
_BEGUN: Final = re.compile(r"\x1b(?:\[[0-9;?]*)?")  # of a command; what follows decides
_BEGUN_MOST: Final = 32
_RETURNS: Final = re.compile(r"\r\r+")
_DRAWN_OFTEN: Final = re.compile(r"\r[^\n\x1b]*\r(?=[^\n\r\x1b])")  # in one piece: only its last state counts


@dataclass(slots=True)
class Row:
    """One line of the screen."""

    text: str = ""
    written: bool = False  # since the cursor came to it
    begun: bool = False  # the cursor is at its begin again, by a carriage return
    drawn: bool = False  # over itself: it may be drawn again
    stale: bool = False  # what it shows was drawn again above
    broken: bool = False  # it was too long, and its first part is given away already


class Terminal:
    """The rows that are still open, and where the cursor is.

    :param done: takes each row that is finished.
    :param most_text: characters of a row.
    """

    def __init__(self, done: Callable[[str], None], most_text: int) -> None:
        self._done, self._most_text = done, most_text
        self._rows, self._at = [Row()], 0
        self._bottom = -1  # the last row that was there when the cursor went up last: down to it rows are drawn again
        self._went_up = self._over = False  # over: the cursor was shown again, and nothing was written since
        self._hidden_at: float | None = None
        self._begun = ""  # a command that is not whole yet
        self.ended = ""  # the rows drawn over themselves that were finished last, if a bar can be in them

    # ------------------------------------------------------------ what is to be seen

    @property
    def text(self) -> str:
        """All that is open."""
        text = "\n".join(row.text for row in self._rows if not row.stale).rstrip("\n")
        if len(text) > self._most_text:  # of several rows the last ones
            text = text[-self._most_text :]
            text = text.partition("\n")[2] or text
        return text

    @property
    def drawn(self) -> str:
        """The rows in which a bar may move now; nothing while that cannot be said, in the middle of a drawing."""
        row, at = self._rows[self._at], self._at
        if self._hidden_at is not None:
            whole = at == len(self._rows) - 1 and row.written and not self._went_up
            return "\n".join(each.text for each in self._rows) if whole else ""
        if not at:
            return row.text if row.drawn and not row.stale else ""
        return "" if row.text or row.written else "\n".join(each.text for each in self._rows[:at])

    # ------------------------------------------------------------ what is written

    def feed(self, text: str) -> None:
        """Take what is written next."""
        text, self._begun = self._begun + text, ""
        if "\r" in text or "\x1b" in text:
            text = self._whole(_RETURNS.sub("\r", text)).replace("\r\n", "\n")
        if self._is_plain() and not _DRAWS.search(text):
            self._take_lines(text)
        else:
            self._obey(_DRAWN_OFTEN.sub("\r", text))

    def settle(self) -> None:
        """Give away what only might be drawn again: something else is to be logged below it."""
        if self._over:
            self._leave_region()
        elif self._hidden_at is None and self._bottom < 0:
            self._end(self._at)

    def finish(self) -> None:
        """Give away everything; what is written next begins anew."""
        rest, self._begun = self._begun.strip("\r"), ""
        if rest:
            self._write(rest)
        while self._rows and (not self._rows[-1].text or self._is_blank(self._rows[-1])):
            self._rows.pop()
        self._at = len(self._rows)
        self._end(self._at)
        self._rows, self._at, self._bottom, self._hidden_at = [Row()], 0, -1, None
        self._went_up = self._over = False

    # ------------------------------------------------------------ inside

    def _whole(self, text: str) -> str:
        """Keep back a carriage return, which may belong to an end of line, and the begin of a command."""
        escape = text.rfind("\x1b", -_BEGUN_MOST)
        if text.endswith("\r"):
            text, self._begun = text[:-1], "\r"
        elif escape >= 0 and _BEGUN.fullmatch(text, escape):
            text, self._begun = text[:escape], text[escape:]
        return text

    def _is_plain(self) -> bool:
        row = self._rows[0]
        return not (
            len(self._rows) > 1 or self._hidden_at is not None or self._over or self._went_up or self._bottom >= 0
            or row.drawn or row.begun
        )  # fmt: skip

    def _take_lines(self, text: str) -> None:
        """Take ordinary text: the way of nearly all that is written."""
        row = self._rows[0]
        *lines, rest = (row.text + text).split("\n")
        for line in lines:
            if not row.broken:
                self._done(line)
            row.broken = False
        row.text, row.written = "" if row.broken else rest, bool(rest)
        self._bound(row)

    def _obey(self, text: str) -> None:
        last = 0
        for move in _MOVES.finditer(text):
            if move.start() > last:
                self._write(text[last : move.start()])
            last = move.end()
            if move[0] == "\n":
                self._next_line()
            elif move[0] == "\r":
                self._rows[self._at].begun = True
            else:
                self._command(move[1], move[2])
        if last < len(text):
            self._write(text[last:])

    def _write(self, text: str) -> None:
        row = self._rows[self._at]
        if row.broken:
            return
        again = row.begun or self._went_up or self._at <= self._bottom
        if self._over:
            again = row.begun
            self._leave_region()
        elif self._went_up or (row.begun and row.written):  # drawn again from here on: what is above stays
            self._end(self._at)
        elif not row.written and not row.begun and self._hidden_at is None and self._is_new(row):
            again = False
            self._leave_region()
        if row.begun or not row.written:
            row.text = ""
        row.text += text
        row.drawn |= again
        row.written, row.begun, row.stale, self._went_up = True, False, False, False
        self._bound(row)

    def _is_new(self, row: Row) -> bool:
        """Whether what is written here begins an ordinary line: below what is drawn, or where a bar was wiped out."""
        return self._at > self._bottom or (not row.text.strip() and bool(row.text or not row.drawn))

    def _bound(self, row: Row) -> None:
        if len(row.text) <= self._most_text:
            return
        if row.drawn or self._hidden_at is not None:
            row.text = row.text[: self._most_text + 1]
            return
        self._end(self._at)
        self._done(row.text)  # its begin; the rest of it is dropped
        row.broken, row.text = True, ""

    def _next_line(self) -> None:
        self._land()
        row = self._rows[self._at]
        if row.broken:
            self._rows[self._at] = Row()
            return
        new, held = self._at >= self._bottom, self._hidden_at is not None
        if held and self._bottom < 0 and not row.drawn:
            held = time.monotonic() - (self._hidden_at or 0.0) < HOLD_SECONDS
        if new and row.drawn and row.written and not held:
            self._end(self._at)  # it may be drawn again, what is above was not
        ordinary = new and not held and not row.drawn and (row.written or not self._at)
        left_drawn, row.begun = row.drawn, False
        self._at += 1
        if self._at == len(self._rows):
            self._rows.append(Row())
        else:
            below = self._rows[self._at]
            below.written = below.begun = False
            below.stale = left_drawn and bool(below.text.strip()) and self._hidden_at is None
        if ordinary:
            self._end(self._at)
        elif len(self._rows) > MOST_ROWS:
            self._end(1)

    def _land(self) -> None:
        """The cursor goes down from where it went up to: what is above that stays as it is."""
        if self._went_up:
            self._went_up = False
            self._end(self._at)

    def _command(self, numbers: str, command: str) -> None:
        row = self._rows[self._at]
        count = int(numbers) if numbers.isdecimal() else 1
        if command in "AF":
            self._up(min(count, MOST_ROWS))
            self._rows[self._at].begun |= command == "F"
        elif command in "BE":
            self._land()
            self._at = min(self._at + count, len(self._rows) - 1)
            self._rows[self._at].written = False
        elif command == "G" and count == 1:
            row.begun = True
        elif command in "Hf" and self._hidden_at is not None:
            self._up(self._at)
        elif command == "K" and (numbers == "2" or (numbers in ("", "0") and self._at_begin(row))):
            row.text, row.drawn = "", True
        elif command == "J" and numbers in ("", "0") and self._at_begin(row):
            for each in self._rows[self._at :]:
                each.text, each.drawn = "", True
        elif command in "hl":
            self._switch(numbers, on=command == "h")

    def _switch(self, what: str, *, on: bool) -> None:
        if what == "?25" and not on:  # the cursor is hidden by who draws
            if self._over:
                self._leave_region()
            self._hidden_at = self._hidden_at or time.monotonic()
        elif what == "?25" and self._hidden_at is not None:
            self._hidden_at, self._over = None, True
        elif what == "?1049":  # another screen, of which nothing stays
            if on:
                self._end(self._at)
            self._rows, self._at, self._bottom, self._went_up = [Row()], 0, -1, False

    def _up(self, count: int) -> None:
        self._bottom = len(self._rows) - 1
        for row in self._rows[max(self._at - count, 0) + 1 : self._at + 1]:
            row.stale = False
        missing = count - self._at
        if missing > 0:  # what was there is given away already
            self._rows[:0] = [Row(drawn=True) for _ in range(missing)]
            self._at, self._bottom = self._at + missing, self._bottom + missing
        self._at -= count
        self._rows[self._at].written = False
        self._went_up = True
        while len(self._rows) > MOST_ROWS:
            self._rows.pop()

    def _leave_region(self) -> None:
        """What is written next is below all that was drawn."""
        self._end(self._at)
        row = self._rows[0]
        row.text, row.drawn = "" if not row.written or row.begun else row.text, False
        del self._rows[1:]
        self._bottom, self._went_up, self._over = -1, False, False

    def _end(self, count: int) -> None:
        """Give the topmost rows away."""
        rows = [row for row in self._rows[:count] if not row.stale and not self._is_blank(row)]
        picture = self._over or self._hidden_at is not None
        drawn = [row.text for row in rows if (row.drawn or picture) and ("%" in row.text or "/" in row.text)]
        if drawn:
            self.ended = "\n".join(drawn)
        for row in rows:
            self._done(row.text)
        del self._rows[:count]
        self._at = max(self._at - count, 0)
        self._bottom = max(self._bottom - count, -1)

    def _is_blank(self, row: Row) -> bool:
        return row.drawn and not row.text.strip()

    def _at_begin(self, row: Row) -> bool:
        return row.begun or not row.written
