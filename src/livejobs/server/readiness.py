"""How a part tells the supervisor how far it is, or why it never will be: a small file in the runtime folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from livejobs.server.environment import Environment

KINDS: Final = ("loaded", "ready", "failed")
PART: Final = "LIVEJOBS_PART"  # the name of our marks, where it is another than the part's: that of one that stands by


def mark_loaded(part: str, **details: Any) -> None:
    """Say that this process has loaded the jobs."""
    _write(part, "loaded", details)


def mark_ready(part: str, **details: Any) -> None:
    """Say that this process is ready. Outside a supervisor nobody asks, and nothing is written."""
    _write(part, "ready", details)


def mark_failed(part: str, sentence: str) -> None:
    """Say why this process cannot start, and that trying again is of no use."""
    _write(part, "failed", {"sentence": sentence})


def read_mark(runtime: Path, part: str, kind: str) -> dict[str, Any] | None:
    """Return what a part wrote, or None."""
    try:
        value = json.loads((runtime / f"{part}.{kind}").read_bytes())
    except FileNotFoundError:
        return None
    return value if isinstance(value, dict) else None


def write_mark(runtime: Path, part: str, kind: str, details: Mapping[str, Any]) -> None:
    """Write a mark, whole or not at all."""
    path = runtime / f"{part}.{kind}"
    # written aside and renamed, so that nobody ever reads half a file
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(details))
    aside.replace(path)


def remove_marks(runtime: Path, part: str) -> None:
    """Forget what an earlier process of this part wrote."""
    for kind in KINDS:
        (runtime / f"{part}.{kind}").unlink(missing_ok=True)


def _write(part: str, kind: str, details: dict[str, Any]) -> None:
    runtime = Environment.read().runtime
    if runtime is not None:
        write_mark(runtime, os.environ.get(PART) or part, kind, details)
