"""What a job's page says to a browser without scripts: its params, its result or error, and the end of its log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from livejobs.protocol import LogLine, PublicJob
from livejobs.sanitize import cut, plain
from livejobs.states import FINISHED

TEXT_MAX: Final = 20_000  # characters; the links beside it lead to the whole
LINES_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Plain:
    """A job as plain text.

    :param params: names and values.
    :param result: JSON, or a text as it is; None where there is none.
    :param log: its last lines; empty where nothing was logged.
    """

    params: list[tuple[str, str]]
    result: str | None
    error: str
    log: str
    finished: bool


def plain_of(job: PublicJob, lines: Sequence[LogLine]) -> Plain:
    """Say in plain text what the scripts show.

    :param lines: the last lines of its log.
    """
    params = job["params"] if isinstance(job["params"], dict) else {}
    error: Mapping[str, Any] = job["error"] or {}
    told = ": ".join(filter(None, (str(error.get("type") or ""), str(error.get("message") or ""))))
    return Plain(
        params=[(name, _text(value)) for name, value in params.items()],
        result=None if job["result"] is None else _text(job["result"]),
        error=plain(told),
        log="\n".join(plain(line["text"]) for line in lines[-LINES_MAX:]),
        finished=job["state"] in FINISHED,
    )


def _text(value: Any) -> str:
    return cut(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False), TEXT_MAX)
