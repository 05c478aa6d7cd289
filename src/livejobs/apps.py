"""Assembly: each definition becomes a Celery task, and is handed the start verb."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class LivejobsConfig(AppConfig):
    """The Django app."""

    name = "livejobs"
    verbose_name = _("Live jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the rooms: definitions to Celery, Celery's worker to the agent, signals to the log."""
        from celery.signals import worker_process_init, worker_process_shutdown, worker_ready
        from django.utils.translation import gettext

        from livejobs import actions, canary, checks, journal, refusals  # noqa: F401 - importing registers the checks
        from livejobs.definitions import registry
        from livejobs.worker import parent
        from livejobs.worker.agent import end_agent, start_agent
        from livejobs.worker.task import register_probe

        refusals.translate_with(gettext)
        registry.starter = actions.start
        registry.register(canary.CANARY)
        registry.subscribe(register_task)
        autodiscover_modules("tasks")
        journal.connect()
        register_probe()
        parent.connect()
        worker_ready.connect(start_agent, dispatch_uid="livejobs-agent")
        worker_process_init.connect(start_agent, dispatch_uid="livejobs-agent")
        worker_process_shutdown.connect(end_agent, dispatch_uid="livejobs-agent")


def register_task(live_job: Any) -> None:
    """Make a definition a real Celery shared task with our base class."""
    from celery import shared_task

    from livejobs.worker.task import LiveTask

    shared_task(name=live_job.name, base=LiveTask, live_job=live_job)(live_job.func)
