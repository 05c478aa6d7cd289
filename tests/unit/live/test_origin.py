"""Which handshakes are let in."""

from __future__ import annotations

import pytest
from django.test import override_settings

from livejobs.live.origin import is_welcome


def scope(origin: str | None = None, host: str = "jobs.example", scheme: str = "ws", **headers: str) -> dict:
    named = {"host": host, **({"origin": origin} if origin is not None else {}), **headers}
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in named.items()]
    return {"type": "websocket", "scheme": scheme, "server": ("10.0.0.1", 8000), "headers": raw}


def test_no_origin_means_no_browser():
    assert is_welcome(scope())


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://jobs.example", "jobs.example", "ws"),
        ("http://JOBS.example", "jobs.example", "ws"),
        ("http://jobs.example:80", "jobs.example", "ws"),
        ("http://jobs.example", "jobs.example:80", "ws"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "ws"),
        ("http://[::1]:8000", "[::1]:8000", "ws"),
        ("https://jobs.example", "jobs.example", "wss"),
        ("https://jobs.example:443", "jobs.example", "wss"),
    ],
)
def test_the_servers_own_origin_is_welcome(origin, host, scheme):
    assert is_welcome(scope(origin, host, scheme))


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("https://jobs.example", "jobs.example", "ws"),
        ("http://jobs.example", "jobs.example", "wss"),
        ("http://jobs.example:8080", "jobs.example", "ws"),
        ("http://evil.example", "jobs.example", "ws"),
        ("http://jobs.example.evil.example", "jobs.example", "ws"),
        ("http://sub.jobs.example", "jobs.example", "ws"),
        ("null", "jobs.example", "ws"),
        ("", "jobs.example", "ws"),
        ("file://", "jobs.example", "ws"),
        ("chrome-extension://abc", "jobs.example", "ws"),
        ("http://user@jobs.example", "jobs.example", "ws"),
        ("http://jobs.example/path", "jobs.example", "ws"),
        ("http://jobs.example:x", "jobs.example", "ws"),
        ("http://[::1", "[::1]:8000", "ws"),
        ("jobs.example", "jobs.example", "ws"),
    ],
)
def test_any_other_origin_is_refused(origin, host, scheme):
    assert not is_welcome(scope(origin, host, scheme))


def test_two_origins_are_none_of_ours():
    twice = scope("http://jobs.example")
    twice["headers"].append((b"origin", b"http://jobs.example"))
    assert not is_welcome(twice)


def test_a_host_that_is_not_allowed_is_refused_whatever_the_origin():
    with override_settings(ALLOWED_HOSTS=["jobs.example"]):
        assert is_welcome(scope())
        assert not is_welcome(scope(host="evil.example"))
        assert not is_welcome(scope("http://evil.example", host="evil.example"))


@pytest.mark.parametrize(
    ("trusted", "origin", "welcome"),
    [
        ("https://pages.example", "https://pages.example", True),
        ("https://pages.example", "http://pages.example", False),
        ("https://pages.example", "https://a.pages.example", False),
        ("https://pages.example:8443", "https://pages.example:8443", True),
        ("https://pages.example:8443", "https://pages.example", False),
        ("https://*.pages.example", "https://a.pages.example", True),
        ("https://*.pages.example", "https://pages.example", True),
        ("https://*.pages.example", "https://evilpages.example", False),
        ("https://*.pages.example", "http://a.pages.example", False),
        ("nonsense", "https://pages.example", False),
    ],
)
def test_trusted_origins_are_those_of_djangos_csrf_rule(trusted, origin, welcome):
    with override_settings(CSRF_TRUSTED_ORIGINS=[trusted]):
        assert is_welcome(scope(origin)) is welcome


def test_behind_a_proxy_that_speaks_tls_djangos_own_setting_counts():
    header = {"x_forwarded_proto": "https"}
    assert not is_welcome(scope("https://jobs.example", **header))
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        assert is_welcome(scope("https://jobs.example", **header))
        assert not is_welcome(scope("http://jobs.example", **header))


def test_a_forwarded_host_counts_only_where_django_was_told_so():
    header = {"x_forwarded_host": "public.example"}
    assert not is_welcome(scope("http://public.example", **header))
    with override_settings(USE_X_FORWARDED_HOST=True):
        assert is_welcome(scope("http://public.example", **header))


def test_a_scope_without_headers_or_server_is_judged_too():
    assert is_welcome({"type": "websocket", "headers": [], "server": ("testserver", 80)})
    assert is_welcome({"type": "websocket", "server": ("/run/app.sock", None), "headers": [(b"host", b"a.example")]})
