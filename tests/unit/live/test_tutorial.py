"""The tutorial's dialect, without a socket: exactly its frames, and `started` always before `completed`."""

from __future__ import annotations

import json

import pytest

from livejobs.errors import InvalidError, NotFoundError, UnavailableError
from livejobs.live import watches
from livejobs.live.requests import Done, Groups, Jobs, Nothing, Recheck, StartNamed
from livejobs.live.tutorial import MINE, TutorialSession
from livejobs.protocol import CloseCode
from tests.unit.live.switchboard import LIMITS, FakeSwitchboard, gone_event, job_event, progress_event, public
from tests.unit.live.switchboard import MINE as MY_GROUP


@pytest.fixture
def board() -> FakeSwitchboard:
    return FakeSwitchboard()


@pytest.fixture
def session(board: FakeSwitchboard) -> TutorialSession:
    return TutorialSession(board, LIMITS, board.wake)


def frames(session) -> list[dict]:
    found = []
    while (text := session.mailbox.next_frame()) is not None:
        found.append(json.loads(text))
    return found


def opened(session, jobs=(), just_finished=()) -> list[dict]:
    """Connect, with these newest jobs of the session."""
    (watch,) = session.opened()
    assert watch is MINE
    (snapshot,) = session.answered(watch, Groups((MY_GROUP,)))
    assert session.answered(snapshot, Jobs(list(jobs), False, frozenset(just_finished))) == []
    first, *others = frames(session)
    assert first["action"] == "reply_channel"
    return others


def start(session, name="October") -> StartNamed:
    request: StartNamed
    (request,) = session.receive(json.dumps({"action": "start_sec3", "job_name": name}))
    assert request == StartNamed("sec3", name)
    return request


def said(word: str, job_id: int, name: str = "October") -> dict:
    return {"action": word, "job_id": job_id, "job_name": name, "job_status": word}


def test_on_connect_comes_an_id_that_says_nothing(session):
    session.opened()
    (frame,) = frames(session)
    assert set(frame) == {"action", "reply_channel"}
    assert len(frame["reply_channel"]) >= 16
    assert "specific" not in frame["reply_channel"]


def test_a_start_is_answered_with_the_four_fields(session):
    opened(session)
    session.answered(start(session), Done(public(1, name="October")))
    assert frames(session) == [said("started", 1)]


@pytest.mark.parametrize(
    ("state", "word"), [("succeeded", "completed"), ("failed", "failed"), ("cancelled", "cancelled")]
)
def test_the_finish_is_said_once_with_the_four_fields(session, board, state, word):
    opened(session)
    session.answered(start(session), Done(public(1, name="October")))
    frames(session)
    board.offer(session.coverage, job_event(1, 1, name="October"))
    board.offer(session.coverage, job_event(1, 2, "running", name="October"))
    board.offer(session.coverage, progress_event(1, 1, 3))
    assert frames(session) == []
    for _ in range(3):
        board.offer(session.coverage, job_event(1, 3, state, name="October"))
    assert frames(session) == [said(word, 1)]


def test_started_precedes_completed_however_fast_the_job(session, board):
    opened(session)
    request = start(session)
    board.offer(session.coverage, job_event(1, 1, name="October"))
    board.offer(session.coverage, job_event(1, 3, "succeeded", name="October"))
    assert frames(session) == []
    session.answered(request, Done(public(1, name="October")))
    assert frames(session) == [said("started", 1), said("completed", 1)]


def test_a_job_that_ran_inline_is_started_and_completed(session, board):
    opened(session)
    session.answered(start(session), Done(public(1, 3, "succeeded", name="October")))
    assert frames(session) == [said("started", 1), said("completed", 1)]
    board.offer(session.coverage, job_event(1, 3, "succeeded", name="October"))
    assert frames(session) == []


def test_an_earlier_job_may_finish_while_another_is_being_started(session, board):
    opened(session)
    session.answered(start(session, "a"), Done(public(1, name="a")))
    board.offer(session.coverage, job_event(1, name="a"))
    request = start(session, "b")
    board.offer(session.coverage, job_event(1, 3, "succeeded", name="a"))
    session.answered(request, Done(public(2, name="b")))
    assert sorted(map(str, frames(session))) == sorted(
        map(str, [said("started", 1, "a"), said("started", 2, "b"), said("completed", 1, "a")])
    )


def test_a_client_that_comes_back_gets_completed_again_and_never_started(session, board):
    jobs = [
        public(4, 1, name="queued"),
        public(3, 2, "running", name="runs"),
        public(2, 3, "succeeded", name="just"),
        public(1, 3, "succeeded", name="long ago"),
    ]
    assert opened(session, jobs, just_finished={2}) == [said("completed", 2, "just")]
    for number, name in ((2, "just"), (1, "long ago")):
        board.offer(session.coverage, job_event(number, 3, "succeeded", name=name))
    assert frames(session) == []
    board.offer(session.coverage, job_event(3, 3, "failed", name="runs"))
    assert frames(session) == [said("failed", 3, "runs")]


def test_a_job_that_is_retried_finishes_again(session, board):
    opened(session)
    board.offer(session.coverage, job_event(1, 3, "failed", name="a"))
    board.offer(session.coverage, job_event(1, 4, "queued", name="a"))
    assert frames(session) == [said("failed", 1, "a")]
    board.offer(session.coverage, job_event(1, 6, "succeeded", name="a"))
    assert frames(session) == [said("completed", 1, "a")]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "7",
        '{"action": "boo"}',
        '{"action": "start_"}',
        '{"action": 7}',
        "{}",
        '{"action": "start_sec3", "job_name": 7}',
        '{"action": "start_sec3", "job_name": "' + "x" * 5000 + '"}',
        '{"action": "start_sec3", "x": ' + "[" * 30 + "]" * 30 + "}",
    ],
)
def test_what_is_no_command_is_an_error_of_the_dialect(session, text):
    opened(session)
    assert session.receive(text) == []
    (frame,) = frames(session)
    assert set(frame) == {"action", "message"}
    assert frame["action"] == "error"
    assert session.closing is None


def test_a_binary_frame_is_an_error_too(session):
    opened(session)
    session.receive_binary()
    assert frames(session)[0]["action"] == "error"


def test_a_refusal_is_an_error_with_the_fields_in_words(session, board):
    opened(session)
    request = start(session)
    board.offer(session.coverage, job_event(9, 3, "succeeded", name="other"))
    session.failed(request, InvalidError("No.", fields={"name": "Too long."}))
    assert frames(session) == [{"action": "error", "message": "No. name: Too long."}, said("completed", 9, "other")]


def test_a_name_may_be_left_out(session):
    assert session.receive('{"action": "start_sec3"}') == [StartNamed("sec3", "")]


def test_without_its_list_the_client_is_sent_away_to_come_back(session):
    session.opened()
    session.failed(Recheck(), UnavailableError())
    assert session.closing is None
    session.failed(MINE, UnavailableError())
    assert session.closing == CloseCode.RESTART


def test_an_unknown_task_is_an_error(session):
    opened(session)
    session.failed(start(session), NotFoundError("There is no task “sec3”."))
    assert frames(session) == [{"action": "error", "message": "There is no task “sec3”."}]


def test_the_page_is_not_told_of_status_progress_logs_and_deletions(session, board):
    opened(session, [public(1, 2, "running")])
    session.status('{"action":"status"}')
    board.offer(session.coverage, gone_event(1))
    session.answered(Recheck(), Nothing())
    assert frames(session) == []


def test_what_was_announced_is_forgotten_with_the_job(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 10)
    opened(session)
    for number in range(1, 200):
        board.offer(session.coverage, job_event(number, 3, "succeeded"))
    assert len(session._announced) <= 10
    assert len(frames(session)) <= 200


def test_every_finish_is_said_in_a_long_list(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 10)
    opened(session)
    words = []
    for number in range(1, 100):
        board.offer(session.coverage, job_event(number, 3, "succeeded"))
        words += frames(session)
    assert [frame["job_id"] for frame in words] == list(range(1, 100))


def test_jobs_that_are_followed_no_more_are_said_to_be(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 3)
    opened(session)
    for number in (1, 2, 3):
        board.offer(session.coverage, job_event(number))
    assert frames(session) == []
    board.offer(session.coverage, job_event(4))
    (error,) = frames(session)
    assert error["action"] == "error"
    assert "Only the newest 1,000 jobs are followed" in error["message"]
    board.offer(session.coverage, job_event(1, 3, "succeeded"))
    assert frames(session) == []
    board.offer(session.coverage, job_event(2, 3, "succeeded"))
    frames(session)
    board.offer(session.coverage, job_event(5))
    assert frames(session) == []  # what is let go of was said to be completed


def test_a_completion_that_could_not_be_sent_in_time_is_not_lost_in_silence(session, board, monkeypatch):
    monkeypatch.setattr(watches, "LIST_LIVE_MAX", 1)
    opened(session)
    board.offer(session.coverage, job_event(1, 3, "succeeded"))
    board.offer(session.coverage, job_event(2))
    assert [frame["action"] for frame in frames(session)] == ["error"]
