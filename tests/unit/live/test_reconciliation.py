"""What was heard of each job, held against its row."""

from __future__ import annotations

from livejobs.conf import conf
from livejobs.groups import all_group, job_group
from livejobs.live.coverage import Seen
from livejobs.live.event import job_rank, progress_rank
from livejobs.live.reconciliation import Level, Reconciliation
from tests.unit.live.switchboard import ME, MINE, job_event, log_event, progress_event

SOON, LATER = conf.HEAL_SECONDS, conf.HEAL_FINISHED_SECONDS
NOW = 1000.0


def seen(version=1, attempt=0, tick=0, log_seq=0, finished=False, job_id=1) -> Seen:
    return Seen(job_id, job_rank(version, whole=True), progress_rank(attempt, tick), log_seq, finished)


def level(version=1, attempt=0, tick=0, log_seq=0, state="running", job_id=1) -> Level:
    return Level(job_id, ME, version, attempt, tick, log_seq, state)


def reconciliation(*held: Seen) -> Reconciliation:
    made = Reconciliation()
    made.hold(held, NOW)
    return made


def test_unfinished_jobs_are_due_sooner_than_finished_ones():
    made = reconciliation(seen(), seen(job_id=2, finished=True))
    assert made.take_due(NOW + SOON - 0.1) == []
    assert made.take_due(NOW + SOON) == [1]
    assert made.take_due(NOW + SOON) == []
    assert set(made.take_due(NOW + LATER)) == {1, 2}


def test_a_suspect_is_due_at_once():
    made = reconciliation(seen(), seen(job_id=2))
    made.suspect([2, 99])
    assert made.take_due(NOW) == [2]
    made.suspect()
    assert set(made.take_due(NOW)) == {1, 2}


def test_a_suspicion_during_the_comparison_is_not_forgotten():
    made = reconciliation(seen())
    made.suspect()
    assert made.take_due(NOW) == [1]
    made.suspect()  # a group was joined while the row was read
    made.compared(level(), NOW)
    assert made.take_due(NOW) == [1]


def test_a_compared_job_is_due_again_by_its_state():
    made = reconciliation(seen(), seen(job_id=2))
    made.take_due(NOW + SOON)
    made.compared(level(), NOW + SOON)
    made.compared(level(job_id=2, state="failed"), NOW + SOON)
    made.compared(level(job_id=99), NOW)
    assert made.take_due(NOW + 2 * SOON) == [1]


def test_a_finished_job_that_is_retried_is_due_sooner():
    made = reconciliation(seen(3, finished=True))
    made.hear(job_event(1, 4), NOW + 1)
    assert made.take_due(NOW + 1 + SOON) == [1]


def test_a_row_that_was_read_before_the_retry_was_heard_does_not_make_it_wait():
    made = reconciliation(seen(3))
    made.take_due(NOW + SOON)
    made.hear(job_event(1, 4), NOW + SOON)
    made.compared(level(3, state="failed"), NOW + SOON)
    assert made.take_due(NOW + 2 * SOON) == [1]


def test_a_second_session_that_sees_it_run_makes_a_finished_job_due_sooner():
    made = reconciliation(seen(3, finished=True))
    made.hold([seen(5)], NOW)
    assert made.take_due(NOW + SOON) == [1]


def test_a_job_is_held_until_the_last_session_releases_it():
    made = reconciliation(seen(), seen())
    made.release([1, 99])
    assert len(made) == 1
    made.release([1])
    assert len(made) == 0
    assert made.behind(level(9), {MINE}) == (False, False)
    made.hear(job_event(1), NOW)


def test_nothing_is_behind_that_was_told_by_the_snapshot():
    made = reconciliation(seen(3, 1, 7, 5))
    assert made.behind(level(3, 1, 7, 5), {MINE}) == (False, False)
    assert made.behind(level(4, 1, 7, 5), {MINE}) == (True, False)
    assert made.behind(level(3, 1, 8, 5), {MINE}) == (True, False)
    assert made.behind(level(3, 1, 7, 6), {MINE}) == (False, True)
    assert made.behind(level(9, 9, 9, 5), {"nobody's"}) == (False, False)


def test_nothing_is_behind_that_came_through_the_group():
    made = reconciliation(seen())
    made.hear(job_event(1, 4, "running"), NOW)
    made.hear(progress_event(1, 1, 8), NOW)
    made.hear(log_event(1, 6), NOW)
    made.hear(job_event(1, 2, "running"), NOW)
    assert made.behind(level(4, 1, 8, 6), {MINE}) == (False, False)
    assert made.behind(level(4, 1, 8, 6), {MINE, all_group()}) == (True, False)  # there it was lost
    assert made.behind(level(4, 1, 8, 6), {job_group(1)}) == (True, False)


def test_what_was_sent_again_is_known_to_all():
    made = reconciliation(seen())
    made.compared(level(4, 1, 8, 6), NOW)
    assert made.behind(level(4, 1, 8, 6), {MINE, all_group()}) == (False, False)


def test_a_claim_without_a_report_is_no_progress():
    made = reconciliation(seen())
    made.hear(job_event(1, 2, "running"), NOW)
    assert made.behind(level(2, 1, 0), {MINE}) == (False, False)


def test_a_session_that_came_later_may_know_less_than_was_heard():
    """Progress is sent more often than it is stored: a snapshot may say less than what the others heard before."""
    made = reconciliation(seen(2, 1, 1))
    made.hear(progress_event(1, 1, 50), NOW)
    made.hold([seen(2, 1, 40)], NOW)
    assert made.behind(level(2, 1, 50), {MINE}) == (True, False)


def test_a_job_that_joined_a_list_by_its_progress_is_still_to_be_told():
    made = Reconciliation()
    made.hold([Seen(1, -1, progress_rank(1, 3), 0, finished=False)], NOW)
    assert made.behind(level(2, 1, 3), {MINE}) == (True, False)
