"""The frames of a traceback as JSON, without locals; and a traceback made of them again, for Celery and error trackers.

What comes from a runner is looked at piece by piece: whatever a job made of it, its agent goes on.
"""

from __future__ import annotations

import os
import stat
import traceback
from types import TracebackType
from typing import Any, Final

from livejobs.sanitize import clean, cut

FRAMES_MAX: Final = 100  # of a deeper traceback the outermost and the innermost half
NAME_MAX: Final = 1_024  # characters of a file's name
LINE_MAX: Final = 2**31 - 1
SOURCE_MAX: Final = 8 * 1024 * 1024  # bytes of a file that a line may be shown of

Frame = dict[str, Any]


def frames_of(trace: TracebackType | None) -> list[Frame]:
    """Describe the frames of a traceback, the outermost first; none where they cannot be read."""
    try:
        found = list(traceback.walk_tb(trace))
        if len(found) > FRAMES_MAX:
            found[FRAMES_MAX // 2 : -FRAMES_MAX // 2] = []
        return [
            {
                "file": _fit(frame.f_code.co_filename),
                "function": _fit(frame.f_code.co_name),
                "module": _fit(frame.f_globals.get("__name__")),
                "line": line or 0,
            }
            for frame, line in found
        ]
    except Exception:  # globals may be anything with the methods of a dict
        return []


def traceback_of(frames: object) -> TracebackType | None:
    """Make a traceback of frames that a runner told; None of what are none."""
    from tblib import Traceback  # only where something failed

    try:
        if not isinstance(frames, list) or not frames or len(frames) > FRAMES_MAX:
            return None
        inner: dict[str, Any] | None = None
        for frame in reversed(frames):
            inner = _as_tblib(frame, inner)
        made: TracebackType | None = Traceback.from_dict(inner).as_traceback()
    except Exception:
        return None
    return made


def _as_tblib(frame: dict[str, Any], inner: dict[str, Any] | None) -> dict[str, Any]:
    texts = {name: clean(frame[name]) for name in ("file", "function", "module")}
    line = frame["line"]
    if max(map(len, texts.values())) > NAME_MAX:
        raise ValueError("no name")
    if not isinstance(line, int) or not 0 <= line <= LINE_MAX:
        raise ValueError("no line")
    file = _readable(texts["file"])
    return {
        "tb_frame": {
            "f_globals": {"__name__": texts["module"], "__file__": file},
            "f_locals": {},
            "f_code": {"co_filename": file, "co_name": texts["function"]},
            "f_lineno": line,
        },
        "tb_lineno": line,
        "tb_next": inner,
    }


def _readable(file: str) -> str:
    """The name of a file, in brackets where nobody should read its lines: a device or a pipe would never end."""
    if file.startswith("<"):
        return file if file.endswith(">") else f"<{file}>"
    try:
        seen = os.stat(file)
    except (OSError, ValueError):
        return f"<{file}>"
    return file if os.path.isabs(file) and stat.S_ISREG(seen.st_mode) and seen.st_size <= SOURCE_MAX else f"<{file}>"


def _fit(text: object) -> str:
    return cut(clean(text), NAME_MAX) if isinstance(text, str) else ""
