"""Who is there, by the database's clock."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial

import pytest
from django.db.models.functions import Now

from livejobs.health import presence
from livejobs.models import Presence
from tests.support.rows import at_once

pytestmark = pytest.mark.django_db


def age(name: str, seconds: float) -> None:
    Presence.objects.filter(name=name).update(updated_at=Now() - timedelta(seconds=seconds))


def test_a_process_is_named_by_host_and_pid():
    assert presence.process_name().endswith(f":{os.getpid()}")


def test_the_first_beat_makes_the_row_and_the_next_ones_raise_it():
    presence.beat("worker", "host:1", tasks=["a"], queues=["q"])
    presence.beat("worker", "host:1", tasks=["a", "b"], queues=["q"])
    presence.beat("maintenance", "host:1")
    rows = Presence.objects.order_by("kind").values_list("kind", "name", "tasks", "queues", "beat")
    assert list(rows) == [("maintenance", "host:1", [], [], 0), ("worker", "host:1", ["a", "b"], ["q"], 1)]
    assert str(Presence.objects.get(kind="worker")) == "worker host:1"


def test_whoever_leaves_is_gone():
    presence.beat("worker", "host:1")
    presence.beat("worker", "host:2")
    presence.leave("worker", "host:1")
    presence.leave("maintenance", "host:2")
    assert [row.name for row in Presence.objects.all()] == ["host:2"]


def test_workers_are_counted_for_each_queue_while_they_beat():
    presence.beat("worker", "host:1", queues=["a", "b"])
    presence.beat("worker", "host:2", queues=["b"])
    presence.beat("worker", "host:3", queues=["b", "c"])
    presence.beat("maintenance", "host:4", queues=["a"])
    age("host:2", 10)
    age("host:3", 20)
    assert presence.workers_by_queue() == {"a": 1, "b": 2}


def test_old_presences_are_forgotten():
    for name, seconds in (("host:1", 0), ("host:2", 3500), ("host:3", 3700)):
        presence.beat("worker", name)
        age(name, seconds)
    presence.forget_old()
    assert {row.name for row in Presence.objects.all()} == {"host:1", "host:2"}


@pytest.mark.django_db(transaction=True)
def test_two_first_beats_at_once_are_one_row():
    answers = at_once(*[partial(presence.beat, "worker", "host:1")] * 3)
    assert answers == [None] * 3
    assert Presence.objects.count() == 1
