"""Addresses with passwords are read once, from a descriptor."""

from __future__ import annotations

import os
import tempfile

import pytest

from livejobs.server import handover

ADDRESSES = {"REDIS_URL": "redis://:secret@host", "DATABASE_URL": ""}


@pytest.fixture(autouse=True)
def _nothing_taken(monkeypatch):
    monkeypatch.setattr(handover, "_taken", None)
    monkeypatch.delenv(handover.VARIABLE, raising=False)


@pytest.mark.parametrize("has_memfd", [True, False])
def test_what_is_handed_over_is_taken_once_and_kept(monkeypatch, has_memfd):
    if not has_memfd:
        monkeypatch.delattr(os, "memfd_create")
    descriptor = handover.hand_over(ADDRESSES)
    monkeypatch.setenv(handover.VARIABLE, str(descriptor))
    monkeypatch.setenv("REDIS_URL", "redis://stale")
    assert handover.take() == ADDRESSES
    assert handover.VARIABLE not in os.environ
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)
    assert handover.take() == ADDRESSES


def test_any_number_of_processes_may_read_it(monkeypatch):
    descriptor = handover.hand_over(ADDRESSES)
    for _ in range(2):
        monkeypatch.setattr(handover, "_taken", None)
        monkeypatch.setenv(handover.VARIABLE, str(os.dup(descriptor)))
        assert handover.take() == ADDRESSES
    os.close(descriptor)


def test_where_nothing_was_handed_over_the_environment_says_it(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://mine")
    assert handover.take()["REDIS_URL"] == "redis://mine"
    assert handover.hand_on() == ({}, None)


def test_a_new_python_is_handed_what_this_process_has(monkeypatch):
    monkeypatch.setattr(handover, "_taken", ADDRESSES)
    more, descriptor = handover.hand_on()
    assert descriptor is not None
    assert more == {handover.VARIABLE: str(descriptor)}
    monkeypatch.setattr(handover, "_taken", None)
    monkeypatch.setenv(handover.VARIABLE, more[handover.VARIABLE])
    assert handover.take() == ADDRESSES


def test_no_file_is_left(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    os.close(handover.hand_over(ADDRESSES))
    assert list(tmp_path.iterdir()) == []
