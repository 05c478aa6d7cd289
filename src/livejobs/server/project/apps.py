"""Loads the jobs file, in every process that sets Django up and does not load it later by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import AppConfig

from livejobs.server.environment import Environment
from livejobs.server.part import loads_later


class ProjectConfig(AppConfig):
    """The project as an application; it comes after `livejobs`, whose registry takes the jobs."""

    name = "livejobs.server.project"
    label = "livejobs_server"

    def ready(self) -> None:
        """Load the jobs.

        :raises LoadError: the file or module cannot be used.
        """
        environment = Environment.read()
        if environment.tasks and not loads_later():
            from livejobs.server.loader import load

            with _logging_of_its_own():
                load(environment.tasks, strict=environment.strict)


@contextmanager
def _logging_of_its_own() -> Iterator[None]:
    """Let the file find a root logger without handlers, as any script does: `basicConfig` is for its jobs."""
    from livejobs.runner import output

    root = logging.getLogger()
    ours = list(root.handlers), root.level
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        output.remember_logging()
        root.handlers[:], level = ours
        root.setLevel(level)
