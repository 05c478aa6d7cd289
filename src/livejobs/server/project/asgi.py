"""The ASGI application of the server: pages, static files, sockets."""

from __future__ import annotations

import os
from pathlib import Path

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.core.asgi import get_asgi_application
from django.urls import path, re_path
from servestatic import ServeStaticASGI

import livejobs
from livejobs.server.environment import SETTINGS_MODULE
from livejobs.server.project.bodies import SmallBodies
from livejobs.server.project.headers import SecurityHeaders
from livejobs.server.project.sockets import OurHostOnly, lifespan, not_found

os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS_MODULE)
pages = get_asgi_application()

from livejobs.live.endpoint import SocketEndpoint  # noqa: E402 - Django must be set up first
from livejobs.live.routing import websocket_urlpatterns  # noqa: E402

# Straight from the package: no collectstatic. Asked about again at each use (a 304 is cheap here), so that an updated
# server never runs yesterday's scripts.
static_files = ServeStaticASGI(
    pages,
    root=Path(livejobs.__file__).with_name("static"),
    prefix="static/",
    max_age=0,
    allow_all_origins=False,
)

sockets = URLRouter(
    [
        *websocket_urlpatterns,
        # Django's annotations know views only, not ASGI applications
        path("dashboard/", SocketEndpoint.as_asgi()),  # type: ignore[arg-type]
        re_path(r"", not_found),  # type: ignore[arg-type]
    ]
)

application = ProtocolTypeRouter(
    {
        "http": SecurityHeaders(SmallBodies(static_files)),  # type: ignore[arg-type]  # a TypedDict is no MutableMapping
        "websocket": OurHostOnly(SessionMiddlewareStack(sockets)),
        "lifespan": lifespan,
    }
)
