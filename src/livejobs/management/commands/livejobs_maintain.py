"""`manage.py livejobs_maintain`: the maintenance process of a host project."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from livejobs.maintenance import loop


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C."""

    help = "Run the maintenance process: publish, schedule, rescue and clean up. Any number may run."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it."""
        loop.run()
