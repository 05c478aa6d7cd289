"""The web processes: the host project of the tests, with the chaos settings."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.chaos.settings")

from tests.asgi import application
from tests.chaos.celery_app import app as celery_app

__all__ = ["application", "celery_app"]
