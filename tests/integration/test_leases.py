"""What an attempt writes while it runs: the beat, progress and log, each for the owner of the lease only.

That nobody else can write them is tested with every other write, in `test_transitions`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from livejobs import leases, transitions
from livejobs.models import Job, JobLog
from tests.support.rows import DONE, claimed, line, read, whole

pytestmark = pytest.mark.django_db


def test_a_renewal_raises_the_beat_only():
    job, lease = claimed()
    before = whole(job)
    assert leases.renew(lease) == leases.Renewal(cancel_requested=False)
    assert whole(job) == {**before, "beat": 1}


def test_a_renewal_brings_the_news_of_a_cancel():
    job, lease = claimed()
    transitions.cancel(job.id)
    assert leases.renew(lease) == leases.Renewal(cancel_requested=True)


def test_later_progress_wins():
    job, lease = claimed()
    leases.save_progress(lease, DONE)
    leases.save_progress(lease, {"tick": 6, "current": 2, "total": 4, "message": "late"})
    row = read(job)
    assert (row.tick, row.current, row.total, row.message, row.version) == (7, 3, 4, "nearly", 2)


def test_log_lines_follow_one_another():
    job, lease = claimed()
    assert leases.append_log(lease, [line(1), line(2)])
    assert leases.append_log(lease, [line(3)])
    assert not leases.append_log(lease, [line(5)])
    assert list(JobLog.objects.filter(job=job).order_by("seq").values_list("seq", "attempt")) == [
        (1, 1),
        (2, 1),
        (3, 1),
    ]
    assert read(job).log_seq == 3


def test_a_batch_may_begin_with_a_later_line_if_it_follows_what_is_stored():
    job, lease = claimed()
    assert leases.append_log(lease, [line(1), line(2)], after=0)
    assert not leases.append_log(lease, [line(9)], after=7)
    assert leases.append_log(lease, [line(9)], after=2)
    assert leases.append_log(lease, [line(9)], after=2)
    assert stored(job) == [1, 2, 9]
    assert read(job).log_seq == 9


def test_the_middle_of_an_attempts_lines_is_left_out_by_its_owner_only():
    job, lease = claimed()
    leases.append_log(lease, [line(seq) for seq in range(1, 10)])
    leases.leave_out(replace(lease, owner="another"), 3, 7)
    leases.leave_out(replace(lease, attempt=2), 3, 7)
    assert stored(job) == list(range(1, 10))
    leases.leave_out(lease, 3, 7)
    assert stored(job) == [1, 2, 3, 8, 9]
    assert read(job).log_seq == 9


def stored(job: Job) -> list[int]:
    return list(JobLog.objects.filter(job=job).order_by("seq").values_list("seq", flat=True))


def test_a_batch_whose_reply_was_lost_is_recognised_and_stored_once():
    job, lease = claimed()
    assert leases.append_log(lease, [line(1), line(2)])
    assert leases.append_log(lease, [line(1), line(2)])
    assert JobLog.objects.filter(job=job).count() == 2
