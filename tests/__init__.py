"""The tests, and the small host project they run in; its Celery app is made before Django loads tasks."""

from __future__ import annotations

from tests.celery_app import app as celery_app

__all__ = ["celery_app"]
