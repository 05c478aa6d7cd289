"""The same thing is said once a minute."""

from __future__ import annotations

import logging
import time

from livejobs.server.seldom import SAID_EVERY_SECONDS, Seldom


def test_the_same_thing_is_said_once_a_minute(monkeypatch):
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    seldom = Seldom()

    def passes(text: str, *args: object) -> bool:
        return seldom.filter(logging.LogRecord("x", logging.WARNING, "", 1, text, args, None))

    assert [passes("lost (%s)", 1), passes("lost (%s)", 1), passes("lost (%s)", 2)] == [True, False, True]
    now += SAID_EVERY_SECONDS - 1
    assert not passes("lost (1)")
    now += 1
    assert [passes("lost (1)"), passes("lost (1)")] == [True, False]
    assert set(seldom._said_at) == {"lost (1)"}
