"""Lines of a log, read upwards and downwards, a bounded part at a time."""

from __future__ import annotations

import pytest

from livejobs import leases
from livejobs.hints.log_lines import FIRST, read_lines
from tests.support.rows import claimed, line

pytestmark = pytest.mark.django_db
BOUNDS = {"most": 50, "characters": 1000}


def job_with(*lengths: int) -> int:
    """A job whose lines are so long."""
    job, lease = claimed()
    leases.append_log(lease, [line(seq, "x" * length) for seq, length in enumerate(lengths, 1)])
    return job.id


def test_lines_are_in_order_whichever_way_they_are_read():
    job = job_with(*[3] * 100)
    assert [each["seq"] for each in read_lines(job, after=20, **BOUNDS)] == list(range(21, 71))
    assert [each["seq"] for each in read_lines(job, before=71, **BOUNDS)] == list(range(21, 71))
    assert [each["seq"] for each in read_lines(job, before=6, **BOUNDS)] == [1, 2, 3, 4, 5]
    assert read_lines(job, before=1, **BOUNDS) == read_lines(job, after=100, **BOUNDS) == []
    assert read_lines(job + 1, **BOUNDS) == []


def test_numbers_without_lines_are_passed_over():
    job, lease = claimed()
    leases.append_log(lease, [line(1), line(2)])
    leases.append_log(lease, [line(8), line(9)], after=2)
    assert [each["seq"] for each in read_lines(job.id, before=9, **BOUNDS)] == [1, 2, 8]


@pytest.mark.parametrize(
    "lengths", [[10] * 200, [400] * 60, [10] * (FIRST + 10) + [900] * 60, [900] * (FIRST + 10) + [0] * 120, [5000] * 3]
)
def test_upwards_each_line_is_read_once_however_long_lines_are(lengths):
    job, before, seen = job_with(*lengths), len(lengths) + 1, list[int]()
    while lines := read_lines(job, before=before, **BOUNDS):
        assert [line["seq"] for line in lines] == list(range(before - len(lines), before))
        assert len(lines) <= BOUNDS["most"]
        assert sum(len(line["text"]) for line in lines[1:]) <= BOUNDS["characters"]
        before = lines[0]["seq"]
        seen[:0] = [len(line["text"]) for line in lines]
    assert seen == lengths


def test_of_long_lines_few_are_read_in_vain(django_assert_num_queries):
    job = job_with(*[900] * 200)
    with django_assert_num_queries(1):
        assert len(read_lines(job, before=201, **BOUNDS)) == 2
    job = job_with(*[3] * 200)
    with django_assert_num_queries(2):
        assert len(read_lines(job, before=201, **BOUNDS)) == 50
