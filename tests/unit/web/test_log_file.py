"""The log as a text file."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils import translation
from django.utils.translation import gettext_lazy

from livejobs.models import Job, JobLog
from livejobs.web import log_file
from livejobs.web.log_file import LogFile
from livejobs.web.words import WORDS

AT = datetime(2026, 10, 31, 12, 0, 1, 500_000, tzinfo=UTC)
TIME = "2026-10-31T12:00:01.500Z"


def job(*lines: tuple[int, int, str, str]) -> int:
    """A job with these lines: number, attempt, level, text."""
    found = Job.objects.create(task="sec3", queue="livejobs")
    for seq, attempt, level, text in lines:
        JobLog.objects.create(job=found, seq=seq, attempt=attempt, at=AT, level=level, text=text)
    return found.pk


@pytest.mark.django_db
def test_each_line_has_its_time_and_a_level_that_is_not_info():
    file = LogFile(job((1, 1, "info", "half way"), (2, 1, "warning", "  slow"), (3, 1, "info", "")), several=False)
    assert "".join(file) == f"{TIME} half way\n{TIME} WARNING   slow\n{TIME} \n"


@pytest.mark.django_db
def test_attempts_are_apart_and_what_was_left_out_is_said():
    lines = [(1, 1, "info", "a"), (3, 1, "info", "b"), (40_004, 1, "info", "c"), (40_005, 2, "info", "d")]
    assert "".join(LogFile(job(*lines), several=True)).splitlines() == [
        "--- Attempt 1 ---", f"{TIME} a", "… 1 line left out …", f"{TIME} b", "… 40,000 lines left out …", f"{TIME} c",
        "--- Attempt 2 ---", f"{TIME} d",
    ]  # fmt: skip


@pytest.mark.django_db
def test_no_text_commands_a_terminal_or_passes_for_another_line():
    [line] = "".join(
        LogFile(job((1, 1, "info", "\x1b[31mred\u2028--- Attempt 9 ---\r\x85")), several=False)
    ).splitlines()
    assert line == f"{TIME} red ⏎ --- Attempt 9 ---"


@pytest.mark.django_db
def test_it_is_read_in_parts_and_only_when_somebody_takes_them(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(log_file, "PART_LINES", 2)
    file = LogFile(job(*((seq, 1, "info", f"line {seq}") for seq in range(1, 6))), several=False)
    with django_assert_num_queries(1):
        part = next(iter(file))
    assert part.count("\n") == 2
    assert len([part, *file]) == 3


@pytest.mark.django_db
def test_it_is_in_the_language_of_who_asked_and_not_of_who_writes_it(monkeypatch):
    monkeypatch.setitem(WORDS, "attempt_line", gettext_lazy("Monday"))
    with translation.override("de"):
        file = LogFile(job((1, 1, "info", "a")), several=True)
    assert next(iter(file)).startswith("--- Montag ---")


@pytest.mark.django_db(transaction=True)
async def test_a_server_of_many_reads_it_without_blocking(monkeypatch):
    from asgiref.sync import sync_to_async

    monkeypatch.setattr(log_file, "PART_LINES", 2)
    job_id = await sync_to_async(job)(*((seq, 1, "info", f"line {seq}") for seq in range(1, 6)))
    parts = [part async for part in LogFile(job_id, several=False)]
    assert [part.count("\n") for part in parts] == [2, 2, 1]


@pytest.mark.django_db
def test_a_job_without_lines_has_an_empty_file():
    assert list(LogFile(job(), several=False)) == []
