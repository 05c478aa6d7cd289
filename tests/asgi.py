"""A host's ASGI application: HTTP by Django, the app's sockets under the same prefix as its pages."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import SessionMiddlewareStack
from django.core.asgi import get_asgi_application
from django.urls import path

http = get_asgi_application()

from livejobs.live.routing import websocket_urlpatterns
from tests import jobs  # noqa: F401 - no app's `tasks.py`, which would be found by itself

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": SessionMiddlewareStack(URLRouter([path("jobs/", URLRouter(websocket_urlpatterns))])),
    }
)
