"""`manage.py livejobs_check`: whether jobs of a host project can be accepted, run and followed."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from livejobs.health.report import SECONDS, checkup


class Command(BaseCommand):
    """One line for each part; the exit code is 1 where one of them is not well."""

    help = "Check everything that jobs need, and run one job through the real queue."
    requires_system_checks = ()  # ours are among what it tells

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the time the job may need."""
        parser.add_argument(
            "--timeout", type=float, default=SECONDS, metavar="SECONDS", help="How long the job may take."
        )

    def handle(self, *args: Any, timeout: float, **options: Any) -> None:
        """Run it."""
        if not checkup(self.stdout.write, timeout):
            sys.exit(1)
