"""What `faulthandler` writes of a runner's threads, read as a traceback is: the function's frames and their source."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import livejobs

# Python 3.14 says a thread's name
_THREAD: Final = re.compile(
    r"^(?:Current thread|Thread) 0x[0-9a-f]+(?: \[(?P<name>.*)\])? \(most recent call first\):$"
)
_FRAME: Final = re.compile(r'^  File "(?P<path>.*)", line (?P<line>\d+|\?\?\?) in (?P<name>.*)$')
_OURS: Final = str(Path(livejobs.__file__).parent / "runner")
MOST_CHARACTERS: Final = 60_000


def readable(written: str) -> str:
    """Return each thread's frames, the main thread first, the innermost frame last, each with its line of source."""
    threads: list[tuple[str, list[re.Match[str]]]] = []
    for line in written.splitlines():
        if (thread := _THREAD.match(line)) is not None:
            threads.append((thread["name"] or "", []))
        elif (frame := _FRAME.match(line)) is not None and threads:
            threads[-1][1].append(frame)
    threads.reverse()  # the newest is written first, so the main thread is the last
    parts = [
        "\n".join([f"{_title(number, name)} (most recent call last):", *_lines(frames)])
        for number, (name, frames) in enumerate(threads)
    ]
    return "\n\n".join(parts)[:MOST_CHARACTERS]


def _title(number: int, name: str) -> str:
    return f"Thread {number + 1}" + (f" [{name}]" if name else "") if number else "Main thread"


def _lines(frames: Iterable[re.Match[str]]) -> Iterator[str]:
    for frame in reversed(list(_own(frames))):
        yield f'  File "{frame["path"]}", line {frame["line"]}, in {frame["name"]}'
        source = linecache.getline(frame["path"], int(frame["line"])).strip() if frame["line"].isdigit() else ""
        if source:
            yield f"    {source}"


def _own(frames: Iterable[re.Match[str]]) -> Iterator[re.Match[str]]:
    """From the innermost frame out to the job's function: what called that is ours and helps nobody."""
    for frame in frames:
        if frame["path"].startswith(_OURS):
            return
        yield frame
