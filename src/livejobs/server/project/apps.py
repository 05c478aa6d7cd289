"""Loads the jobs file, in every process that sets Django up: web, worker, maintenance."""

from __future__ import annotations

from django.apps import AppConfig

from livejobs.server.environment import Environment


class ProjectConfig(AppConfig):
    """The project as an application; it comes after `livejobs`, whose registry takes the jobs."""

    name = "livejobs.server.project"
    label = "livejobs_server"

    def ready(self) -> None:
        """Load the jobs.

        :raises LoadError: the file or module cannot be used; `livejobs up` finds that out before anything else starts.
        """
        tasks = Environment.read().tasks
        if tasks:
            from livejobs.server.loader import load

            load(tasks)
