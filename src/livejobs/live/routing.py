"""What a host mounts: the socket beside the pages, `path("jobs/", URLRouter(websocket_urlpatterns))`."""

from __future__ import annotations

from typing import Any, Final, cast

from django.urls import path

from livejobs.live.endpoint import SocketEndpoint

# Channels' URLRouter takes ASGI applications where Django's types know views only
websocket_urlpatterns: Final[list[Any]] = [path("socket/", cast("Any", SocketEndpoint.as_asgi()))]
