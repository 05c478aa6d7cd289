"""A Celery app whose worker has a pool of its own kind, as gevent's would be (which is not installed here)."""

from __future__ import annotations

from celery.concurrency.solo import TaskPool as SoloPool

from tests.celery_app import app


class TaskPool(SoloPool):
    """Of a module with another name; that is what a pool is told by."""


app.conf.worker_pool = "tests.other_pool:TaskPool"
