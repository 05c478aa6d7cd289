"""One object for each process."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace

import pytest

from livejobs import per_process
from livejobs.per_process import HURRY_AFTER, PerProcess, StopSignals


def test_all_threads_of_a_process_have_the_same_object():
    begun = threading.Barrier(4)
    things = PerProcess(object)
    found: list[object] = []

    def ask() -> None:
        begun.wait(10)
        found.append(things())

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(10)
    assert found == [things()] * 4
    assert things.made is things()


def test_what_was_taken_away_is_made_anew():
    things = PerProcess(object)
    assert things.take() is None
    first = things()
    assert things.take() is first
    assert things.made is None
    assert things() is not first


def test_a_forked_child_makes_its_own_even_where_the_parents_lock_was_held():
    things = PerProcess(object)
    first = things()
    with things._lock:
        child = os.fork()
        if child == 0:
            os._exit(7 if things.made is None and things() is not first else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert things() is first


@pytest.mark.parametrize(("seconds", "hurried"), [(0.0, False), (HURRY_AFTER, False), (HURRY_AFTER + 0.25, True)])
def test_a_second_signal_hurries_unless_it_came_with_the_first(monkeypatch, seconds, hurried):
    told, now = StopSignals(), [1000.0]
    assert (told.asked, told.hurried) == (False, False)
    monkeypatch.setattr(per_process, "time", SimpleNamespace(monotonic=lambda: now[0]))
    told.hear()
    assert (told.asked, told.hurried, told.asked_at) == (True, False, 1000.0)
    now[0] += seconds - 1e-9
    told.hear()
    assert (told.asked_at, told.hurried) == (1000.0, hurried)
