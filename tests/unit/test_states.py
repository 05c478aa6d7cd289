"""The table of legal edges, written out a second time by hand: a changed edge must be meant."""

from __future__ import annotations

import pytest

from livejobs.states import ACTIVE, BY_PEOPLE, CLAIM, DUE, EDGES, FINISHED, STOP, WAITING, EdgeName, State, legal

S = State
LEGAL = {
    (S.SCHEDULED, S.QUEUED),
    (S.SCHEDULED, S.CANCELLED),
    (S.QUEUED, S.RUNNING),
    (S.QUEUED, S.CANCELLED),
    (S.RUNNING, S.RUNNING),  # a cancel was asked for, or the attempt is being stopped
    (S.RUNNING, S.SUCCEEDED),
    (S.RUNNING, S.FAILED),
    (S.RUNNING, S.CANCELLED),
    (S.RUNNING, S.RETRYING),
    (S.RUNNING, S.QUEUED),
    (S.RETRYING, S.QUEUED),
    (S.RETRYING, S.CANCELLED),
    (S.SUCCEEDED, S.QUEUED),
    (S.FAILED, S.QUEUED),
    (S.CANCELLED, S.QUEUED),
}


@pytest.mark.parametrize("source", State)
@pytest.mark.parametrize("target", State)
def test_exactly_the_drawn_edges_are_legal(source, target):
    assert legal(source, target) is ((source, target) in LEGAL)


def test_every_state_is_waiting_running_or_finished():
    assert set(State) == WAITING | FINISHED | {State.RUNNING}
    assert ACTIVE == WAITING | {State.RUNNING}
    assert not WAITING & FINISHED


def test_only_a_persons_retry_leaves_a_finished_state():
    leaving = [edge.name for edge in EDGES if edge.sources & FINISHED]

    assert leaving == ["retry"]


def test_whatever_ends_or_gives_back_a_running_attempt_is_fenced():
    for edge in EDGES:
        if State.RUNNING in edge.sources and edge.target != State.RUNNING:
            assert edge.fenced, edge.name


def test_no_edge_leads_back_to_waiting_or_running_past_a_cancel():
    returning = [edge for edge in EDGES if State.RUNNING in edge.sources and edge.target in WAITING]

    assert returning
    assert all(edge.unless_cancelled for edge in [*returning, CLAIM, DUE])


def test_a_cancelled_attempt_that_was_to_go_on_ends_cancelled_instead():
    leaving = [edge for edge in EDGES if edge.otherwise is not None]
    assert {edge.name for edge in leaving} == {"back_off", "expire", "release", "rescue", "lose"}
    assert all(edge.otherwise is STOP and edge.unless_cancelled for edge in leaving)


def test_every_name_of_an_edge_is_taken_by_one():
    assert {edge.name for edge in EDGES} == set(EdgeName)
    assert BY_PEOPLE < set(EdgeName)


def test_words_are_those_of_the_wire():
    assert [state.value for state in State] == [
        "scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled",
    ]  # fmt: skip
    assert f"{State.QUEUED}" == "queued"
