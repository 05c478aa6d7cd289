"""The Celery app of the server. Its settings are the `CELERY_…` names of `settings.py`."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import setup_logging, worker_ready

from livejobs.server.environment import FOREIGN, SETTINGS_MODULE
from livejobs.server.readiness import mark_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS_MODULE)
for name in FOREIGN:
    # Celery prefers these to its settings
    os.environ.pop(name, None)

path = list(sys.path)
app = Celery("livejobs")
# Celery put the current folder first, where somebody's redis.py or queue.py would take the place of the real one
sys.path[:] = path
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect
def leave_logging_to_django(**kwargs: Any) -> None:
    """Be there: a receiver keeps Celery from setting up logging of its own over Django's LOGGING."""


@worker_ready.connect
def say_ready(**kwargs: Any) -> None:
    """Tell the supervisor that this worker takes jobs."""
    # When the broker is lost Celery warns of what a later version will do with late acknowledgements, which we do not
    # have. Only now: as it sets up its logging it switches these warnings on.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    mark_ready("worker")
