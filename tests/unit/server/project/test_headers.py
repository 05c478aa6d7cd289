"""The headers of every HTTP answer: ours where there are none, and those of the page where it has its own."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

Header = tuple[bytes, bytes]


@pytest.fixture
def headers() -> Any:
    return import_module("livejobs.server.project.headers")


async def answered(headers: Any, *messages: dict[str, Any]) -> list[Any]:
    """What reaches the server when an application sends these messages."""
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope == {"type": "http", "path": "/"}
        assert await receive() == {"type": "http.request"}
        for message in messages:
            await send(message)

    async def receive() -> dict[str, str]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await headers.SecurityHeaders(application)({"type": "http", "path": "/"}, receive, send)
    return sent


def test_ours_are_added_to_those_that_are_there(headers):
    given: list[Header] = [(b"content-type", b"text/html")]

    assert headers.with_headers(iter(given)) == [*given, *headers.HEADERS]
    assert dict(headers.with_headers([])) == {
        b"content-security-policy": headers.CONTENT_SECURITY_POLICY.encode(),
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"same-origin",
        b"cross-origin-opener-policy": b"same-origin",
    }


@pytest.mark.parametrize("name", [b"referrer-policy", b"Referrer-Policy"])
def test_a_header_of_the_page_stands_and_is_not_sent_twice(headers, name):
    found = headers.with_headers([(name, b"no-referrer")])

    assert [value for key, value in found if key.lower() == b"referrer-policy"] == [b"no-referrer"]
    assert len(found) == len(headers.HEADERS)


def test_nothing_that_somebody_wrote_runs_as_a_script(headers):
    rules = dict(rule.strip().split(" ", 1) for rule in headers.CONTENT_SECURITY_POLICY.split(";"))

    assert rules["default-src"] == "'self'"
    assert (rules["object-src"], rules["base-uri"], rules["frame-ancestors"]) == ("'none'",) * 3
    assert "unsafe" not in headers.CONTENT_SECURITY_POLICY


async def test_only_the_start_of_an_answer_is_touched(headers):
    start = {"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]}
    body = {"type": "http.response.body", "body": b"Not Found"}

    sent = await answered(headers, start, body)

    assert sent == [{**start, "headers": [(b"content-type", b"text/plain"), *headers.HEADERS]}, body]
    assert start["headers"] == [(b"content-type", b"text/plain")]  # the application's own message stays as it was


async def test_an_answer_without_headers_gets_ours(headers):
    (sent,) = await answered(headers, {"type": "http.response.start", "status": 200})

    assert sent["headers"] == list(headers.HEADERS)
