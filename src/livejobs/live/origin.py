"""Which handshakes are let in: an allowed Host, and an Origin that is the server's own.

Channels' own validator ignores scheme and port. This one follows Django's CSRF rule for the Origin header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.utils.http import is_same_domain

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Handshake(HttpRequest):
    """A WebSocket's handshake as Django sees a request, so that its own rules for Host and proxies apply."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        super().__init__()
        server = scope.get("server") or ("unknown", 0)
        self.META = {"SERVER_NAME": str(server[0]), "SERVER_PORT": str(server[1] or 0)}
        for raw_name, raw_value in scope.get("headers", ()):
            name = "HTTP_" + raw_name.decode("latin-1").upper().replace("-", "_")
            value = raw_value.decode("latin-1")
            # a header that came twice is joined, and then matches nothing
            self.META[name] = f"{self.META[name]},{value}" if name in self.META else value
        self._secure = scope.get("scheme") in ("wss", "https")

    def _get_scheme(self) -> str:
        return "https" if self._secure else "http"


def is_welcome(scope: Mapping[str, Any]) -> bool:
    """Say whether a socket's handshake may go on.

    No Origin means no browser and is accepted; `null` (a sandboxed frame, a file) is refused like any other stranger.
    """
    request = Handshake(scope)
    try:
        host = request.get_host()
    except DisallowedHost:
        return False
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None:
        return True
    theirs = _parts(origin)
    if theirs is None:
        return False
    scheme = "https" if request.is_secure() else "http"
    return theirs == _parts(f"{scheme}://{host}") or any(
        _trusts(entry, theirs) for entry in settings.CSRF_TRUSTED_ORIGINS
    )


def _parts(origin: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    if parts.path or parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme]


def _trusts(entry: str, theirs: tuple[str, str, int]) -> bool:
    wildcard = "://*." in entry
    trusted = _parts(entry.replace("://*.", "://", 1))
    if trusted is None or (trusted[0], trusted[2]) != (theirs[0], theirs[2]):
        return False
    return is_same_domain(theirs[1], f".{trusted[1]}" if wildcard else trusted[1])
