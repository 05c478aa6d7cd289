"""The agent's one database thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection, connections

from livejobs.database.thread import AgentDatabase

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def database() -> Iterator[AgentDatabase]:
    made = AgentDatabase()
    yield made
    made.close()


def test_the_connection_is_kept_and_its_calls_are_bounded(database: AgentDatabase):
    def look() -> tuple[int, str]:
        wrapper = connections["default"]
        with wrapper.cursor() as cursor:
            cursor.execute("SHOW statement_timeout" if wrapper.vendor == "postgresql" else "PRAGMA busy_timeout")
            return id(wrapper.connection), str(cursor.fetchone()[0])

    first, second = database.submit(look).result(10), database.submit(look).result(10)
    assert first == second
    assert first[1] in {"4s", "4000"}
    assert first[0] != id(connection.connection)


def test_after_a_failure_the_connection_is_new_and_bounded_again(database: AgentDatabase):
    made: list[Any] = []

    def fail_once() -> str:
        made.append(connections["default"].connection)
        if len(made) == 1:
            raise OperationalError("gone")
        return "done"

    assert database.insist(fail_once, give_up=lambda: False).result(10) == "done"
    assert made[0] is not made[1]
    assert not database.down


def test_what_is_no_fault_of_the_database_is_not_tried_again(database: AgentDatabase):
    tries: list[int] = []

    def wrong() -> None:
        tries.append(1)
        raise DataError("wrong")

    with pytest.raises(DataError):
        database.insist(wrong, give_up=lambda: False).result(10)
    assert tries == [1]


def test_giving_up_ends_with_the_last_error(database: AgentDatabase):
    def away() -> None:
        raise OperationalError("away")

    with pytest.raises(OperationalError, match="away"):
        database.insist(away, give_up=lambda: True).result(10)


def test_closing_does_not_wait_for_a_database_that_is_away():
    database, began = AgentDatabase(), threading.Event()

    def away() -> None:
        began.set()
        raise OperationalError("away")

    insisting = database.insist(away, give_up=lambda: False)
    assert began.wait(10)
    database.close()
    with pytest.raises(OperationalError):
        insisting.result(10)
    assert database.submit(lambda: 1).exception(10) is not None  # and later calls are refused quietly
