"""The conversation of `livejobs.v1`, without a socket: commands and events in, requests and frames out."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from livejobs.errors import InvalidError, NotFoundError, UnavailableError
from livejobs.groups import all_group, job_group
from livejobs.hints.channel_messages import open_events
from livejobs.live import session as sessions
from livejobs.live import watches
from livejobs.live.event import read_event
from livejobs.live.logs import Chunk
from livejobs.live.requests import Done, Greet, Groups, Jobs, Nothing, OneJob, Recheck
from livejobs.live.session import Session
from livejobs.protocol import WATCHES_MAX, Cancel, CloseCode, Retry, Start, Unwatch, Watch
from tests.unit.live.switchboard import (
    HELLO,
    LIMITS,
    ME,
    MINE,
    SCOPE,
    FakeSwitchboard,
    begin_list,
    frames,
    gone_event,
    job_event,
    line,
    log_event,
    progress_event,
    public,
    send,
    watch_job,
    watch_list,
)


@pytest.fixture
def board() -> FakeSwitchboard:
    return FakeSwitchboard()


@pytest.fixture
def session(board: FakeSwitchboard) -> Session:
    return Session(board, LIMITS, board.wake)


def actions(session: Session) -> list[str]:
    return [frame["action"] for frame in frames(session)]


# ---------------------------------------------------------------- greeting and status


def test_hello_comes_first_and_the_latest_status_behind_it(session):
    (greet,) = session.opened()
    assert greet == Greet()
    session.status('{"action":"status","n":1}')
    assert frames(session) == []
    session.status('{"action":"status","n":2}')
    session.answered(greet, HELLO)
    session.status('{"action":"status","n":3}')
    found = frames(session)
    assert [frame["action"] for frame in found] == ["hello", "status"]
    assert found[1]["n"] == 3


def test_a_client_that_cannot_be_greeted_is_sent_away_to_come_back(session):
    session.failed(Greet(), UnavailableError())
    assert session.closing == CloseCode.RESTART
    assert frames(session) == []


def test_a_recheck_that_the_database_cannot_answer_changes_nothing(session):
    session.answered(Recheck(), Nothing())
    session.failed(Recheck(), UnavailableError())
    assert session.closing is None
    assert frames(session) == []


# ---------------------------------------------------------------- commands


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no json", "bad_frame"),
        ("[1]", "bad_frame"),
        ("\ud800", "bad_frame"),
        ('{"action": "boo"}', "unknown_action"),
        ('{"type": "websocket.close"}', "unknown_action"),
        ('{"action": "cancel"}', "invalid"),
        (json.dumps({"action": "start", "task": "t", "params": {"x": "y" * 5000}}), "too_large"),
        ('{"action":"start","task":"t","params":' + '{"a":' * 30 + "1" + "}" * 31, "too_large"),
        ('{"action": "watch", "id": "l", "jobs": {"scope": "mine", "state": "failed"}}', "unsupported"),
    ],
)
def test_a_frame_that_is_no_command_is_answered_at_once(session, text, code):
    assert session.receive(text) == []
    (frame,) = frames(session)
    assert (frame["action"], frame["code"]) == ("error", code)


def test_a_binary_frame_is_an_error(session):
    session.receive_binary()
    assert frames(session)[0]["code"] == "bad_frame"


def test_start_cancel_and_retry_are_acknowledged_with_ref_and_job(session):
    (start,) = send(session, action="start", task="t", ref=1)
    assert isinstance(start, Start)
    session.answered(start, Done(public(7)))
    (cancel,) = send(session, action="cancel", job_id=7, ref="b")
    assert isinstance(cancel, Cancel)
    session.answered(cancel, Done(public(7, 2, "cancelled")))
    (retry,) = send(session, action="retry", job_id=7)
    assert isinstance(retry, Retry)
    session.answered(retry, Done(public(7, 3)))
    first, second, third = frames(session)
    assert (first["action"], first["ref"], first["job"]["id"]) == ("ack", 1, 7)
    assert (second["ref"], second["job"]["state"]) == ("b", "cancelled")
    assert "ref" not in third
    assert third["job"]["version"] == 3


def test_a_refusal_says_code_ref_and_fields_and_lets_events_pass(session):
    watch_list(session)
    frames(session)
    (start,) = send(session, action="start", task="t", ref=5)
    session.coverage.offer(job_event(1))
    (cancel,) = send(session, action="cancel", job_id=1, ref=6)
    assert frames(session) == []
    session.failed(start, InvalidError(fields={"a": "Wrong."}))
    session.failed(cancel, NotFoundError())
    first, second, third = frames(session)
    assert first == {
        "action": "error",
        "ref": 5,
        "code": "invalid",
        "message": "Some fields are not right.",
        "fields": {"a": "Wrong."},
    }
    assert (second["code"], second["ref"]) == ("not_found", 6)
    assert third["job"]["id"] == 1


def test_a_jobs_events_wait_behind_the_answer_to_its_start(session, board):
    watch_list(session)
    frames(session)
    (start,) = send(session, action="start", task="t")
    assert board.offer(session.coverage, job_event(7, 1))
    board.offer(session.coverage, job_event(7, 3, "succeeded"))
    board.offer(session.coverage, progress_event(7, 1, 4))
    assert frames(session) == []
    session.answered(start, Done(public(7)))
    assert actions(session) == ["ack", "job", "progress"]


# ---------------------------------------------------------------- lists


def test_a_list_shows_its_snapshot_then_events(session, board):
    watch_list(session, [public(2), public(1)], more=True)
    (frame,) = frames(session)
    assert (frame["action"], frame["watch"], frame["more"]) == ("snapshot", "list", True)
    assert [job["id"] for job in frame["jobs"]] == [2, 1]
    assert board.joined == {MINE}
    assert set(session.coverage.watched) == set(board.held) == {1, 2}
    board.offer(session.coverage, job_event(2, 2, "running"))
    assert board.offer(session.coverage, job_event(3))
    assert not board.offer(session.coverage, job_event(3, 2, "running"))
    assert [(frame["job"]["id"], frame["job"]["version"]) for frame in frames(session)] == [(2, 2), (3, 2)]
    assert set(board.held) == {1, 2, 3}


def test_jobs_below_the_snapshot_or_of_others_do_not_join(session):
    watch_list(session, [public(9), public(8)], more=True)
    frames(session)
    assert not session.coverage.offer(job_event(7))
    assert not session.coverage.offer(job_event(10, owner_key="browser:other", group=all_group()))
    assert frames(session) == []


def test_what_comes_while_a_snapshot_is_read_follows_it(session, board):
    snapshot = begin_list(session)
    board.offer(session.coverage, job_event(1, 2, "running"))
    board.offer(session.coverage, job_event(2, 1))
    board.offer(session.coverage, gone_event(1))
    assert frames(session) == []
    session.answered(snapshot, Jobs([public(1, 1)], more=False))
    first, *others = frames(session)
    assert first["action"] == "snapshot"
    assert sorted(each["action"] for each in others) == ["gone", "job"]
    assert set(session.coverage.watched) == set(board.held) == {2}


def test_when_too_much_comes_before_a_snapshot_it_is_compared_with_the_rows(session, board, monkeypatch):
    """It is not read once more: in a steady stream that would never end."""
    monkeypatch.setattr(watches, "EARLY_MAX", 1)
    snapshot = begin_list(session)
    board.offer(session.coverage, job_event(1))
    board.offer(session.coverage, job_event(2))
    assert session.answered(snapshot, Jobs([public(1)], more=False)) == []
    assert actions(session) == ["snapshot"]
    assert board.doubted == 1
    watch_list(session, id="another")
    assert board.doubted == 1


def test_a_job_of_two_watches_is_held_once_and_until_the_last_looks_away(session, board):
    watch_list(session, [public(1)])
    watch_job(session, public(1))
    assert set(board.held) == {1}
    assert board.joined == {MINE, job_group(1)}
    (unwatch,) = send(session, action="unwatch", id="list", ref=1)
    assert isinstance(unwatch, Unwatch)
    session.answered(unwatch, Nothing())
    assert set(board.held) == {1}
    assert board.joined == {job_group(1)}
    frames(session)
    session.coverage.offer(job_event(1, 2, "running", group=job_group(1)))
    assert actions(session) == ["job"]
    (unwatch,) = send(session, action="unwatch", id="job")
    session.answered(unwatch, Nothing())
    assert (board.held, board.joined) == ({}, set())
    session.coverage.offer(job_event(1, 3, "running", group=job_group(1)))
    assert actions(session) == ["ack"]


def test_a_job_known_by_one_list_joins_another_that_was_being_read(session, board):
    watch_list(session, id="a")
    second = begin_list(session, id="b")
    board.offer(session.coverage, job_event(7))
    session.answered(second, Jobs([], more=False))
    (unwatch,) = send(session, action="unwatch", id="a")
    session.answered(unwatch, Nothing())
    assert set(session.coverage.watched) == set(board.held) == {7}


def test_a_list_takes_in_a_job_that_was_looked_at_alone_before_the_list_heard_of_it(session, board):
    """Else nobody would tell of it any more once it is not looked at alone, and the list would show it all the same."""
    watch_list(session)
    watch_job(session, public(7))
    assert session.coverage.missing({7}, MINE) == set()
    assert not board.offer(session.coverage, job_event(7, 2, "running"))  # it is held already
    (unwatch,) = send(session, action="unwatch", id="job")
    session.answered(unwatch, Nothing())
    assert set(session.coverage.watched) == set(board.held) == {7}
    assert session.coverage.missing({7}, MINE) == set()


def test_looking_away_from_what_was_never_looked_at_is_fine(session):
    (unwatch,) = send(session, action="unwatch", id="none", ref=3)
    session.answered(unwatch, Nothing())
    assert frames(session) == [{"action": "ack", "ref": 3}]


def test_a_watch_with_the_same_id_takes_the_place_of_the_first(session, board):
    watch_list(session, [public(1)], id="x")
    watch_job(session, public(9), id="x")
    assert set(session.coverage.watched) == set(board.held) == {9}
    assert board.joined == {job_group(9)}


def test_one_connection_may_have_so_many_watches(session, board):
    for number in range(WATCHES_MAX):
        watch_list(session, id=number)
    frames(session)
    (watch,) = send(session, action="watch", id="one more", jobs={"scope": "mine"}, ref=1)
    assert session.answered(watch, Groups((MINE,))) == []
    (frame,) = frames(session)
    assert (frame["code"], frame["ref"]) == ("too_large", 1)
    watch_list(session, id=3)
    assert actions(session) == ["snapshot"]


def test_a_long_list_drops_its_oldest_and_counts_right(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 10)
    watch_list(session)
    for number in range(100, 150):
        board.offer(session.coverage, job_event(number))
    assert len(session.coverage.watched) <= 10
    assert set(session.coverage.watched) == set(board.held)
    assert 149 in session.coverage.watched


def test_an_old_job_that_comes_late_to_a_full_list_is_not_held(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 10)
    watch_list(session)
    for number in range(100, 110):
        board.offer(session.coverage, job_event(number))
    assert not board.offer(session.coverage, job_event(50))
    assert 50 not in session.coverage.watched
    assert set(session.coverage.watched) == set(board.held)


def test_a_snapshot_that_was_refused_ends_the_watch(session, board):
    snapshot = begin_list(session)
    session.failed(snapshot, UnavailableError())
    (frame,) = frames(session)
    assert frame["code"] == "unavailable"
    assert (board.joined, board.held) == (set(), {})


def test_a_watch_that_was_refused_is_an_error(session):
    (watch,) = send(session, action="watch", id="x", job_id=5, ref="r")
    session.failed(watch, NotFoundError())
    assert [(each["code"], each["ref"]) for each in frames(session)] == [("not_found", "r")]


# ---------------------------------------------------------------- the range of a list, and how many run


def test_a_snapshot_says_which_range_it_covers(session):
    watch_list(session, [public(9), public(5)], more=True)
    watch_list(session, [public(4)], id="older", before=5)
    first, second = frames(session)
    assert (first["from_id"], first["before"]) == (5, None)
    assert (second["from_id"], second["before"]) == (0, 5)


def test_a_narrowed_list_says_so_before_the_job_for_which_it_was(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 3)
    watch_list(session, [public(3), public(2), public(1)], ref="r")
    frames(session)
    board.offer(session.coverage, job_event(2, 2, "running"))
    board.offer(session.coverage, job_event(1, 2, "running"))
    board.offer(session.coverage, job_event(4))
    first, *others = frames(session)
    assert first == {"action": "narrowed", "watch": "list", "ref": "r", "from_id": 2}
    assert sorted(each["job"]["id"] for each in others) == [2, 4]  # of what was let go nothing more is said
    board.offer(session.coverage, job_event(1, 3, "succeeded"))
    assert frames(session) == []


def test_of_two_narrowings_the_last_is_said(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 2)
    watch_list(session, [public(2), public(1)])
    frames(session)
    for number in (3, 4):
        board.offer(session.coverage, job_event(number))
    assert [each["from_id"] for each in frames(session) if each["action"] == "narrowed"] == [3]


def test_what_was_to_be_said_of_a_watch_is_not_said_of_the_next_one_with_its_id(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 2)
    watch_list(session, [public(2), public(1)])
    board.offer(session.coverage, job_event(3))
    watch_list(session, [public(3), public(2), public(1)])
    assert actions(session) == ["snapshot", "snapshot"]


def test_more_newcomers_than_a_list_keeps_narrow_it_first(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 2)
    watch_list(session, [public(1)])
    frames(session)
    assert session.coverage.missing({2, 3, 4, 5}, MINE) == {4, 5}
    assert set(session.coverage.watched) == set(board.held) == set()
    assert frames(session) == [{"action": "narrowed", "watch": "list", "from_id": 4}]
    assert session.coverage.missing({2, 3}, MINE) == set()


def test_a_list_is_told_how_many_jobs_run(session, board):
    snapshot = begin_list(session, ref="r")
    assert board.counted == {(MINE,): 1}
    session.coverage.counted((MINE,), 7)
    assert frames(session) == []  # its snapshot comes first
    session.answered(snapshot, Jobs([], more=False))
    assert frames(session)[1] == {"action": "count", "watch": "list", "ref": "r", "running": 7}
    session.coverage.counted((MINE,), 8)
    session.coverage.counted((MINE,), 9)
    session.coverage.counted((all_group(),), 1)
    assert [frame["running"] for frame in frames(session)] == [9]
    watch_job(session, public(1))
    session.coverage.close()
    assert board.counted == {}


def test_a_ping_is_answered(session):
    assert send(session, action="ping", ref="p") == []
    assert frames(session) == [{"action": "ack", "ref": "p"}]


def test_a_snapshot_of_a_watch_that_ended_meanwhile_is_nobodys(session, board):
    (one, two) = begin_list(session), begin_list(session, id="two")
    (unwatch,) = send(session, action="unwatch", id="list")
    session.answered(unwatch, Nothing())
    watch_job(session, public(9), id="two")
    frames(session)
    assert session.answered(one, Jobs([public(1)], more=False)) == []
    assert session.answered(two, Jobs([public(1)], more=False)) == []
    session.failed(one, UnavailableError())
    assert frames(session) == []
    assert (session.closing, set(board.held)) == (None, {9})


# ---------------------------------------------------------------- one job and its log


def test_a_watch_of_one_job_shows_it_whole_with_its_lines(session, board):
    shown = public(7, 2, "running", log_seq=2)
    watch_job(session, shown, [line(1), line(2)])
    (frame,) = frames(session)
    assert (frame["job"]["id"], [each["seq"] for each in frame["log"]]) == (7, [1, 2])
    assert session.mailbox.logs.next_read() is None
    session.coverage.offer(log_event(7, 4))
    board.recent.add(7, Chunk(3, 4, '{"action":"log"}'))
    assert actions(session) == ["log"]


def test_the_line_that_has_no_end_yet_is_passed_on(session):
    watch_job(session, public(7, 2, "running"), [])
    frames(session)
    [sent] = open_events(7, ME, 1, 4, 1, "50 %")
    event = read_event(sent.message)
    assert event is not None
    assert not session.coverage.offer(event)
    assert [(frame["action"], frame["text"]) for frame in frames(session)] == [("open", "50 %")]


def test_lines_beyond_the_snapshot_are_read_by_the_cursor(session):
    watch_job(session, public(7, 2, "running", log_seq=900), [line(n) for n in range(11, 500)], log_after=10)
    frames(session)
    assert session.mailbox.logs.next_read() == (7, 499)
    session.mailbox.logs.was_read(7, Chunk(500, 800, '{"action":"log","n":1}'))
    assert actions(session) == ["log"]
    assert session.mailbox.logs.next_read() == (7, 800)
    session.mailbox.logs.read_failed()
    assert session.mailbox.logs.next_read() == (7, 800)
    session.mailbox.logs.was_read(7, None)
    assert session.mailbox.logs.next_read() is None


def test_a_watch_without_lines_begins_after_log_after(session):
    watch_job(session, public(7, 2, "running", log_seq=30), [], log_after=30)
    assert session.mailbox.logs.next_read() is None
    session.coverage.offer(log_event(7, 31))
    assert session.mailbox.logs.next_read() == (7, 30)


def test_a_list_does_not_follow_logs(session):
    watch_list(session, [public(7, 2, "running", log_seq=30)])
    session.coverage.offer(log_event(7, 31))
    assert session.mailbox.logs.next_read() is None


def test_the_log_is_followed_until_the_last_watch_of_the_job_looks_away(session):
    watch_list(session, [public(7)])
    for name in ("a", "b"):
        watch_job(session, public(7, 2, "running", log_seq=5), id=name)
    session.answered(send(session, action="unwatch", id="a")[0], Nothing())
    assert session.mailbox.logs.next_read() == (7, 0)
    session.mailbox.logs.was_read(7, Chunk(1, 5, "{}"))
    session.answered(send(session, action="unwatch", id="b")[0], Nothing())
    session.coverage.offer(log_event(7, 31))
    assert session.mailbox.logs.next_read() is None


def test_the_whole_job_is_sent_although_the_truncated_one_was_first(session):
    big: dict[str, Any] = {"params": {"text": "x" * 2000}}
    watch_list(session, [public(7, **big)])
    watch_job(session, public(7, **big))
    frames(session)
    session.coverage.offer(job_event(7, 2, "running", **big))
    (first,) = frames(session)
    session.coverage.offer(job_event(7, 2, "running", group=job_group(7), **big))
    (second,) = frames(session)
    assert first["job"]["truncated"]
    assert second["job"]["params"] == big["params"]


# ---------------------------------------------------------------- the end


def test_a_job_that_is_gone_is_looked_at_no_more(session, board):
    watch_list(session, [public(1)])
    watch_job(session, public(1))
    frames(session)
    assert not session.coverage.offer(gone_event(1))
    assert frames(session) == [{"action": "gone", "job_id": 1}]
    assert (list(session.coverage.watched), board.held) == ([], {})
    session.coverage.offer(gone_event(1))
    assert frames(session) == []


def test_a_closed_session_leaves_nothing_behind(session, board):
    watch_list(session, [public(1)])
    watch_job(session, public(2))
    begin_list(session, id="all", scope="all")
    session.coverage.close()
    assert (board.joined, board.held, list(session.coverage.watched)) == (set(), {}, [])


def test_a_session_that_is_given_up_wakes_its_writer(session, board):
    woken = board.woken
    session.abandon()
    assert session.closing == CloseCode.RESTART
    assert board.woken == woken + 1


# ---------------------------------------------------------------- what a list misses


def test_a_list_misses_what_it_covers_and_does_not_show(session):
    watch_list(session, [public(20), public(10)], more=True)
    watch_job(session, public(5))
    begin_list(session, id="pending")
    assert session.coverage.missing({5, 9, 10, 15, 30}, MINE) == {15, 30}
    assert session.coverage.missing({15}, all_group()) == set()


def test_random_conversations_keep_the_books(board, monkeypatch):
    """Whatever is watched, left, refreshed, lost and dropped: what is held is what is looked at."""
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 8)
    monkeypatch.setattr(sessions, "WATCHES_MAX", 4)
    dice = random.Random(4711)
    for _ in range(60):
        board = FakeSwitchboard()
        session = Session(board, LIMITS, board.wake)
        waiting: list[Any] = []
        for step in range(120):
            number = dice.randint(1, 30)
            match dice.randint(0, 6):
                case 0:
                    watch = {"jobs": {"scope": "mine"}} if dice.random() < 0.6 else {"job_id": number}
                    (command,) = send(session, action="watch", id=dice.randint(0, 5), **watch)
                    assert isinstance(command, Watch)
                    group = MINE if command.job_id is None else job_group(number)
                    scope = SCOPE if command.job_id is None else None
                    waiting += session.answered(command, Groups((group,), scope))
                case 1 if waiting:
                    snapshot = waiting.pop(dice.randrange(len(waiting)))
                    if snapshot.watch.job_id is not None:
                        session.answered(snapshot, OneJob(public(snapshot.watch.job_id, step), [], (MINE, all_group())))
                    else:
                        ids = sorted(dice.sample(range(1, 31), 5), reverse=True)
                        jobs = Jobs([public(each, step) for each in ids], more=dice.random() < 0.5)
                        waiting += session.answered(snapshot, jobs)
                case 2:
                    session.answered(send(session, action="unwatch", id=dice.randint(0, 5))[0], Nothing())
                case 3:
                    session.coverage.missing({number, number + 1}, MINE)
                case 4:
                    board.offer(session.coverage, gone_event(number))
                case _:
                    board.offer(session.coverage, job_event(number, step + 1, "running"))
            assert set(session.coverage.watched) == set(board.held)
            if dice.random() < 0.3:
                frames(session)
        session.coverage.close()
        assert (board.joined, board.held, board.counted) == (set(), {}, {})


def test_a_line_that_comes_while_a_jobs_snapshot_is_read_is_not_lost_though_a_list_shows_the_job(session, board):
    watch_list(session, [public(1)])
    (watch,) = send(session, action="watch", id="job", job_id=1)
    (snapshot,) = session.answered(watch, Groups((job_group(1),)))
    board.recent.add(1, Chunk(1, 1, json.dumps({"action": "log", "job_id": 1, "lines": [line(1)]})))
    board.offer(session.coverage, log_event(1, 1))  # after the snapshot was read, before it is told

    session.answered(snapshot, OneJob(public(1), [], (MINE, all_group())))

    assert [frame["lines"][0]["seq"] for frame in frames(session) if frame["action"] == "log"] == [1]
