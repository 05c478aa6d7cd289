"""The web part: uvicorn's settings, the socket it is given, and when it says that it is ready."""

from __future__ import annotations

import http.client
import socket
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from livejobs.conf import conf
from livejobs.server import web
from livejobs.server.environment import Environment
from livejobs.server.readiness import read_mark
from tests.waiting import wait_for


class Application:
    """In place of the project's ASGI application, which needs a Django project of its own."""

    fails = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": f"lifespan.startup.{'failed' if self.fails else 'complete'}"})
            if not self.fails:
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})


@pytest.fixture(autouse=True)
def application(monkeypatch) -> Application:
    found = Application()
    for name in ("livejobs.server.project", "livejobs.server.project.asgi"):
        stand_in: Any = ModuleType(name)
        stand_in.application = found
        monkeypatch.setitem(sys.modules, name, stand_in)
    return found


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("LIVEJOBS_RUNTIME", str(tmp_path))
    return tmp_path


@pytest.fixture
def servers(monkeypatch) -> list[web.Server]:
    """Every server that was made, to stop it."""
    made: list[web.Server] = []

    class Remembered(web.Server):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            made.append(self)

    monkeypatch.setattr(web, "Server", Remembered)
    return made


@pytest.fixture
def port(monkeypatch) -> int:
    """The port that the supervisor opened, and told web of."""
    listening = socket.create_server(("127.0.0.1", 0))
    number = int(listening.getsockname()[1])
    monkeypatch.setenv(web.SOCKET_VARIABLE, str(listening.detach()))  # web's own from here on
    return number


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


def test_it_serves_the_socket_it_was_given_and_says_when(runtime, port, servers):
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(web.main()))
    thread.start()
    try:
        wait_for(lambda: read_mark(runtime, "web", "ready") is not None, message="the mark")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        answer = connection.getresponse()
        connection.close()
    finally:
        servers[0].should_exit = True
        thread.join(10)

    assert (answer.status, answer.headers["server"]) == (204, None)
    assert codes == [0]
