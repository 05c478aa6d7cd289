"""The evidence that a queue lost messages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models.functions import Now

from livejobs.hints import queue_probes
from livejobs.models import Probe

pytestmark = pytest.mark.django_db
QUEUE = "slow"


def begun() -> Probe:
    probe = queue_probes.begin(QUEUE)
    assert probe is not None
    return probe


def aged(seconds: float, *columns: str) -> None:
    """Let these moments be so long ago."""
    Probe.objects.update(**{column: Now() - timedelta(seconds=seconds) for column in columns})


def read() -> Probe:
    return Probe.objects.get(queue=QUEUE)


def test_a_queue_has_one_probe_under_way():
    assert begun().number == 1
    assert queue_probes.begin(QUEUE) is None
    assert queue_probes.begin("another") is not None


def test_a_probe_the_broker_did_not_take_was_not_sent():
    queue_probes.unsend(begun())
    assert begun().number == 2


def test_an_unanswered_probe_is_sent_again_after_a_wait_that_doubles():
    probe = begun()
    assert not queue_probes.resend(probe)
    for copies, wait in ((1, 20), (2, 40), (3, 80), (4, 160), (5, 160)):
        aged(wait - 2, "resent_at")
        assert not queue_probes.resend(read())
        aged(wait + 2, "resent_at")
        assert queue_probes.resend(read())
        assert read().copies == copies + 1
    assert not queue_probes.resend(probe)  # of which somebody else sent a copy meanwhile


def test_an_answer_counts_for_the_probe_that_is_under_way_only():
    queue_probes.answer(QUEUE, 1)  # nobody asked
    probe = begun()
    queue_probes.answer(QUEUE, probe.number + 1)
    assert read().answered_at is None
    queue_probes.answer(QUEUE, probe.number)
    first = read().answered_at
    queue_probes.answer(QUEUE, probe.number)  # its copy
    assert read().answered_at == first is not None
    queue_probes.unsend(probe)  # too late
    assert read().sent_at is not None


def test_its_evidence_is_ready_a_while_after_the_answer_and_is_used_once(monkeypatch):
    monkeypatch.setitem(settings.LIVEJOBS, "PROBE_SECONDS", 5.0)
    probe = begun()
    queue_probes.answer(QUEUE, probe.number)
    assert queue_probes.settled() == []
    aged(6, "answered_at")
    (settled,) = queue_probes.settled()
    assert queue_probes.end(settled)
    assert not queue_probes.end(settled)
    assert begun().number == 2
