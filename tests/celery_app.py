"""The Celery app of the tests; a worker process is started with `-A tests.celery_app`."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

app = Celery("tests")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ["tests.jobs"]
app.set_default()
