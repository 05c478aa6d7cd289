"""The web part: uvicorn's settings. That it serves, and says when, is tested from outside (acceptance)."""

from __future__ import annotations

import resource
import sys
from types import ModuleType
from typing import Any

import pytest

from livejobs.conf import conf
from livejobs.server import web
from livejobs.server.environment import Environment


@pytest.fixture(autouse=True)
def _application(monkeypatch) -> None:
    """In place of the project's ASGI application, which needs a Django project of its own."""
    for name in ("livejobs.server.project", "livejobs.server.project.asgi"):
        stand_in: Any = ModuleType(name)
        stand_in.application = None
        monkeypatch.setitem(sys.modules, name, stand_in)


def test_nobody_before_us_is_believed_and_nothing_is_told_that_nobody_asked():
    config = web.configuration(Environment(host="::1", port=9000))

    assert (config.host, config.port) == ("::1", 9000)
    assert not config.proxy_headers
    assert not config.server_header
    assert not config.access_log
    assert config.log_config is None


def test_what_a_client_may_send_is_bounded_and_a_stop_is_too(settings):
    settings.LIVEJOBS = {"MAX_FRAME_BYTES": 1234}
    config = web.configuration(Environment())

    assert config.ws_max_size == conf.MAX_FRAME_BYTES == 1234
    assert not config.ws_per_message_deflate
    assert config.timeout_graceful_shutdown == web.GRACEFUL_SECONDS


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [((256, 4096), 4096, False), ((256, 512), 512, True), ((1024, 1_000_000), 16_384, False),
     ((20_000, 30_000), None, False), ((256, resource.RLIM_INFINITY), 16_384, False),
     ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None, False)],
)  # fmt: skip
def test_as_many_descriptors_as_there_may_be_and_a_word_where_they_are_few(monkeypatch, caplog, before, after, warned):
    changed: list[Any] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: before)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: changed.append(limits))
    web.raise_descriptor_limit()
    assert changed == ([(after, before[1])] if after else [])
    assert ["ulimit -n" in record.getMessage() for record in caplog.records] == [True] * warned
