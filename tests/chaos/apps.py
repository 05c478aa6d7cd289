"""The Django app that every chaos process has: the jobs, the points where it may be killed, and one defect at most."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import time_machine
from django.apps import AppConfig


class ChaosConfig(AppConfig):
    """Installed after livejobs, whose functions it wraps."""

    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        """Prepare this process for what will be done to it."""
        from tests.chaos import celery_app, defects, failpoints, jobs  # noqa: F401 - importing makes the app and the jobs

        skew = float(os.environ.get("LIVEJOBS_CHAOS_CLOCK", "0"))
        if skew:
            time_machine.travel(datetime.now(UTC) + timedelta(seconds=skew), tick=True).start()
        failpoints.install()
        defects.install(os.environ.get("LIVEJOBS_CHAOS_DEFECT", ""))
