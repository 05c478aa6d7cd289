"""Loads the jobs file, in every process that sets Django up and does not load it later by itself."""

from __future__ import annotations

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

            load(environment.tasks, strict=environment.strict)
