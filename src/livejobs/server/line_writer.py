"""Lines for a terminal, a pipe or a file, written by a thread of their own: whoever has something to say never waits.

A terminal may stop reading (Ctrl-S, `| less`, a log driver that hangs). A write would wait for it, and with it
everything that the writer does: restarts, signals, the parts whose pipes it empties. So the lines wait, and when they
are too many the oldest are left out and counted.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections import deque
from typing import Final

NOBODY: Final = frozenset({errno.EPIPE, errno.EIO, errno.EBADF})  # reads it any more
AGAIN_SECONDS: Final = 1.0
MOST_BYTES: Final = 1024 * 1024  # that wait; some ten thousand lines


class LineWriter:
    """Writes lines to one descriptor, in order."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._size = self._left_out = 0
        self._writing = self._closed = False  # the other end was closed: nobody will read any more
        self._changed = threading.Condition()
        # a daemon: a write that hangs must not hang the exit
        threading.Thread(target=self._run, name="livejobs-lines", daemon=True).start()

    def write(self, line: bytes) -> None:
        """Have a line written, its end included; returns at once."""
        with self._changed:
            if self._closed:
                return
            self._lines.append(line)
            self._size += len(line)
            while self._size > MOST_BYTES:
                self._size -= len(self._lines.popleft())
                self._left_out += 1
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything is written, so long; returns whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines and not self._writing, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line = self._lines.popleft()
                self._size -= len(line)
                left_out, self._left_out = self._left_out, 0
                self._writing = True
            try:
                if left_out:
                    lines = b"1 line was" if left_out == 1 else b"%d lines were" % left_out
                    self._put(b"... %s left out here: this output was not read.\n" % lines)
                    left_out = 0
                self._put(line)
            except OSError as error:
                if error.errno in NOBODY:
                    return self._close()
                with self._changed:  # its disk is full, say
                    self._left_out += left_out + 1
                time.sleep(AGAIN_SECONDS)
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _close(self) -> None:
        with self._changed:
            self._closed, self._writing = True, False
            self._lines.clear()
            self._changed.notify_all()

    def _put(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # somebody who has the same terminal made it so
                select.select([], [self._descriptor], [])
