"""What `livejobs check` says, and what the commands of a host make of it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError

from livejobs.health import canary, parts, report
from livejobs.health.canary import Flight
from livejobs.health.parts import Finding, Status
from livejobs.maintenance import loop

FINE = Finding(Status.OK, "Fine.")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """What was found out; all is well, until a test says otherwise."""
    found = {"database": FINE, "migrations": FINE, "broker": FINE}
    monkeypatch.setattr(parts, "look", lambda: found)
    monkeypatch.setattr(canary, "fly", lambda seconds: Flight(True, f"There in {seconds:g} s."))
    return found


def lines(seconds: float = 15) -> tuple[bool, list[list[str]]]:
    said: list[str] = []
    well = report.checkup(said.append, seconds)
    return well, [line.split(maxsplit=2) for line in said]


def test_one_line_for_each_part(looked):
    assert lines(3) == (
        True,
        [
            ["settings", "ok", "Nothing to object to."],
            ["database", "ok", "Fine."],
            ["migrations", "ok", "Fine."],
            ["broker", "ok", "Fine."],
            ["canary", "ok", "There in 3 s."],
        ],
    )


@pytest.mark.parametrize("status", [Status.DEGRADED, Status.DOWN])
def test_a_part_that_is_not_well(looked, status):
    looked["broker"] = Finding(status, "Not well.")

    well, said = lines()

    assert not well
    assert said[3:] == [["broker", status, "Not well."], ["canary", "ok", "There in 15 s."]]


def test_settings_that_cannot_work(looked, settings):
    settings.LIVEJOBS = {"NONSENSE": 1}

    assert lines()[1][0] == ["settings", "down", "LIVEJOBS has no setting 'NONSENSE'. (livejobs.E002)"]


def test_a_canary_that_does_not_arrive(looked, monkeypatch):
    monkeypatch.setattr(canary, "fly", lambda seconds: Flight(False, "Stuck."))

    assert lines()[0] is False


def test_without_the_database_there_is_no_canary(looked):
    looked["database"] = Finding(Status.DOWN, "Away.")

    well, said = lines()

    assert not well
    assert said[-1][0] == "broker"


def test_a_database_that_goes_away_meanwhile(looked, monkeypatch):
    def go_away(seconds: float) -> Flight:
        raise OperationalError("postgresql://ada:secret@db")

    monkeypatch.setattr(canary, "fly", go_away)

    assert lines()[1][-1] == ["canary", "down", "The database stopped answering meanwhile."]


def test_the_command_of_a_host(looked):
    out = StringIO()
    call_command("livejobs_check", "--timeout", "3", stdout=out)
    assert "canary         ok        There in 3 s.\n" in out.getvalue()

    looked["broker"] = Finding(Status.DOWN, "Away.")
    with pytest.raises(SystemExit) as caught:
        call_command("livejobs_check", stdout=out)
    assert caught.value.code == 1


def test_the_maintenance_command_of_a_host(monkeypatch):
    ran: list[int] = []
    monkeypatch.setattr(loop, "run", lambda: ran.append(1))

    call_command("livejobs_maintain")

    assert ran == [1]
