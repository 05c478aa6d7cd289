"""The end of a child that can run no Python."""

from __future__ import annotations

import faulthandler
from typing import Any

import pytest

from livejobs.conf import conf
from livejobs.worker.parent import parent
from livejobs.worker.watchdog import REARMS, Watchdog

NOW = 1000.0


@pytest.fixture
def calls(monkeypatch) -> list[tuple[str, Any]]:
    """What faulthandler was told, instead of telling it."""
    told: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        faulthandler, "dump_traceback_later", lambda after, **how: told.append(("arm", (after, how["exit"])))
    )
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: told.append(("disarm", None)))
    monkeypatch.setattr(parent, "is_child", lambda: True)
    return told


def test_it_is_armed_anew_well_within_its_time_while_a_job_is_at_hand(calls):
    watchdog = Watchdog()
    every = conf.WATCHDOG_SECONDS / REARMS
    for step in range(4):
        watchdog.keep(NOW + step * every / 2, wanted=True)
    assert calls == [("arm", (conf.WATCHDOG_SECONDS, True))] * 2


def test_without_a_job_it_is_disarmed_once_and_armed_at_once_for_the_next(calls):
    watchdog = Watchdog()
    watchdog.keep(NOW, wanted=False)
    assert calls == []
    watchdog.keep(NOW, wanted=True)
    watchdog.keep(NOW, wanted=False)
    watchdog.keep(NOW, wanted=False)
    watchdog.keep(NOW, wanted=True)
    assert [what for what, _ in calls] == ["arm", "disarm", "arm"]


def test_a_process_that_holds_others_jobs_too_is_never_ended(calls, monkeypatch):
    monkeypatch.setattr(parent, "is_child", lambda: False)
    Watchdog().keep(NOW, wanted=True)
    assert calls == []
