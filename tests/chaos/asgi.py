"""The web processes: the host project of the tests, with the chaos settings, and static files for the browsers."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.chaos.settings")

from channels.routing import ProtocolTypeRouter
from servestatic import ServeStaticASGI

from tests.asgi import application as host
from tests.asgi import http
from tests.chaos import settings
from tests.chaos.celery_app import app as celery_app

pages = ServeStaticASGI(http, root=settings.CHAOS_STATIC, prefix="static/", max_age=0)
application = ProtocolTypeRouter({"http": pages, "websocket": host.application_mapping["websocket"]})

__all__ = ["application", "celery_app"]
