"""Lines of a job's log as people see them, a bounded part at a time."""

from __future__ import annotations

from typing import Any, Final

from livejobs.conf import conf
from livejobs.hints.public_job import public_log_line
from livejobs.models import JobLog
from livejobs.protocol import LogLine

FIRST: Final = 30  # lines read before it is known how long they are: long ones would be read in vain


def read_lines(job_id: int, *, after: int = 0, before: int | None = None, most: int, characters: int) -> list[LogLine]:
    """Read the next lines after one or, where `before` is given, the last ones before another; in order either way.

    :param most: lines.
    :param characters: of their texts; the last line that is read may exceed them.
    """
    stored = JobLog.objects.using(conf.DATABASE).filter(job_id=job_id).order_by("seq" if before is None else "-seq")
    rows: Any = stored.values_list("seq", "attempt", "at", "level", "text", named=True)  # models cost twice as much
    lines: list[LogLine] = []
    size, wanted = 0, min(FIRST, most)
    while wanted > 0:
        start = lines[-1]["seq"] if lines else None
        some = rows.filter(seq__gt=start or after) if before is None else rows.filter(seq__lt=start or before)
        already = len(lines)
        for line in some[:wanted]:
            lines.append(public_log_line(line))
            size += len(line.text)
            if size > characters:
                break
        if size > characters or len(lines) - already < wanted:
            break
        wanted = min(most - len(lines), (characters - size) * len(lines) // (size + 1) + 1)
    return lines if before is None else lines[::-1]
