"""What waits for one socket: answers in order, the latest of everything else, events behind their answer."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from livejobs.live.logs import Chunk, RecentLines
from livejobs.live.mailbox import FRAME_CHARACTERS, Mailbox


@pytest.fixture
def recent() -> RecentLines:
    return RecentLines()


@pytest.fixture
def make(recent: RecentLines) -> Callable[..., Mailbox]:
    def made(**how: bool) -> Mailbox:
        return Mailbox(lambda: None, recent, **how)

    return made


@pytest.fixture
def mailbox(make: Callable[..., Mailbox]) -> Mailbox:
    return make()


def text(what: str) -> str:
    return json.dumps(what)


def taken(mailbox: Mailbox) -> list[str]:
    found: list[str] = []
    while (frame := mailbox.next_frame()) is not None:
        content = json.loads(frame)
        found += content["messages"] if isinstance(content, dict) else [content]
    return found


def test_answers_keep_their_order_and_go_first(mailbox):
    mailbox.job(1, 2, text("job"))
    for answer in ("a", "b", "c"):
        mailbox.answer(text(answer))
    assert mailbox.unread == 9
    assert taken(mailbox) == ["a", "b", "c", "job"]
    assert mailbox.unread == 0


def test_the_latest_of_a_job_waits_and_an_older_one_is_dropped(mailbox):
    mailbox.job(1, 4, text("v2"))
    mailbox.job(1, 2, text("v1"))
    mailbox.job(1, 6, text("v3"))
    mailbox.progress(1, 9, text("p9"))
    mailbox.progress(1, 8, text("p8"))
    mailbox.progress(1, 9, text("p9 again"))
    assert taken(mailbox) == ["v3", "p9"]
    mailbox.job(1, 6, text("again"))
    mailbox.progress(1, 9, text("again"))
    assert taken(mailbox) == []


def test_what_a_snapshot_told_is_not_sent_again(mailbox):
    mailbox.told(1, 4, 9)
    mailbox.told(1, 2, 3)
    mailbox.job(1, 4, text("v2"))
    mailbox.progress(1, 9, text("p9"))
    assert taken(mailbox) == []
    mailbox.job(1, 5, text("v2 whole"))
    assert taken(mailbox) == ["v2 whole"]


def test_a_jobs_first_events_wait_behind_the_answer_to_a_start(mailbox):
    mailbox.expect()
    mailbox.job(7, 2, text("v1"))
    mailbox.progress(7, 3, text("p"))
    mailbox.job(7, 6, text("v3"))
    assert taken(mailbox) == []
    mailbox.answer(text("ack"))
    mailbox.answered()
    assert taken(mailbox) == ["ack", "v3", "p"]


def test_progress_that_comes_before_its_job_waits_too(mailbox):
    mailbox.expect()
    mailbox.progress(7, 3, text("p"))
    mailbox.job(7, 2, text("v1"))
    assert taken(mailbox) == []
    mailbox.answer(text("ack"))
    mailbox.answered()
    assert taken(mailbox) == ["ack", "v1", "p"]


def test_known_jobs_do_not_wait_for_a_start(mailbox):
    mailbox.told(1, 2, -1)
    mailbox.expect()
    mailbox.job(1, 4, text("v2"))
    mailbox.progress(1, 1, text("p"))
    assert taken(mailbox) == ["v2", "p"]


def test_events_of_a_job_wait_behind_the_answer_about_it(mailbox):
    mailbox.expect(1)
    mailbox.expect(1)
    mailbox.job(1, 4, text("v2"))
    mailbox.job(2, 4, text("other"))
    assert taken(mailbox) == ["other"]
    mailbox.answered(1)
    assert taken(mailbox) == []
    mailbox.answer(text("ack"))
    mailbox.answered(1)
    assert taken(mailbox) == ["ack", "v2"]


def test_of_the_open_line_of_a_log_the_latest_waits_behind_the_lines(mailbox, recent):
    recent.add(1, Chunk(1, 2, text("lines")))
    mailbox.open(1, 3, text("30 %"))
    mailbox.open(1, 2, text("20 %"))
    mailbox.open(1, 4, text("40 %"))
    mailbox.open(2, 1, text("another"))
    mailbox.logs.follow(1, 0, 2)
    mailbox.open(3, 1, text("of one that is not looked at any more"))
    mailbox.forget(3)
    assert taken(mailbox) == ["lines", "40 %", "another"]
    mailbox.open(1, 5, text("50 %"))
    mailbox.gone(1, text("gone"))
    assert taken(mailbox) == ["gone"]


def test_only_the_latest_status_waits(mailbox):
    mailbox.status(text("one"))
    mailbox.status(text("two"))
    assert taken(mailbox) == ["two"]


def test_of_a_job_that_is_gone_nothing_else_is_said(mailbox, recent):
    recent.add(1, Chunk(1, 2, text("lines")))
    mailbox.logs.follow(1, 0, 2)
    mailbox.job(1, 4, text("v2"))
    mailbox.progress(1, 4, text("p"))
    mailbox.gone(1, text("gone"))
    mailbox.log(1, 3)
    assert taken(mailbox) == ["gone"]


def test_several_events_share_a_frame_up_to_its_bound(mailbox):
    size = FRAME_CHARACTERS // 4
    for number in range(10):
        mailbox.job(number, 2, text("x" * size))
    lengths = []
    while (frame := mailbox.next_frame()) is not None:
        lengths.append(len(frame))
    assert len(lengths) == 3
    assert max(lengths) < FRAME_CHARACTERS + 2 * size


def test_the_tutorials_dialect_knows_no_batch(make):
    mailbox = make(batching=False)
    for number in range(3):
        mailbox.job(number, 2, text(str(number)))
    assert [json.loads(mailbox.next_frame()) for _ in range(3)] == ["0", "1", "2"]
    assert mailbox.next_frame() is None


def test_what_waits_is_bounded_by_what_is_looked_at(mailbox):
    for version in range(1, 1000):
        for job_id in range(10):
            mailbox.job(job_id, version * 2, text("x" * 100))
            mailbox.progress(job_id, version, text("x" * 100))
            mailbox.log(job_id, version)
            mailbox.status(text("s"))
    assert len(mailbox._jobs) == len(mailbox._progress) == 10
    for job_id in range(10):
        mailbox.forget(job_id)
    for kept in (mailbox._jobs, mailbox._progress, mailbox._told, mailbox._told_progress, mailbox._fresh):
        assert not kept


def test_lines_that_were_read_come_after_states_and_progress(mailbox, recent):
    mailbox.logs.follow(1, 0, 0)
    recent.add(1, Chunk(1, 2, text("lines")))
    mailbox.log(1, 2)
    mailbox.progress(1, 4, text("p"))
    mailbox.job(1, 4, text("v2"))
    assert taken(mailbox) == ["v2", "p", "lines"]


def test_each_news_wakes_the_writer_and_old_news_does_not(recent):
    woken = []
    mailbox = Mailbox(lambda: woken.append(1), recent)
    mailbox.job(1, 4, text("v2"))
    mailbox.progress(1, 4, text("p"))
    mailbox.logs.follow(1, 0, 0)
    mailbox.log(1, 1)
    mailbox.status(text("s"))
    mailbox.answer(text("a"))
    mailbox.gone(2, text("g"))
    assert len(woken) == 6
    mailbox.job(1, 4, text("v2"))
    mailbox.progress(1, 4, text("p"))
    mailbox.log(1, 1)
    mailbox.log(9, 1)
    assert len(woken) == 7  # line 1 is still to be read
