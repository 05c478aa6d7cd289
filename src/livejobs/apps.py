"""Assembly: each definition becomes a Celery task and is handed the start verb; who wants to hear of jobs is told."""

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
        """Connect the rooms: definitions to Celery, transitions to the hints, Celery's worker to the agent."""
        from django.utils.translation import gettext

        from livejobs import actions, checks  # noqa: F401 - importing registers the checks
        from livejobs.definition import LiveJob, registry, translate_with
        from livejobs.health.canary import CANARY
        from livejobs.hints import job_logging

        translate_with(gettext)
        LiveJob.starter = actions.start
        subscribe_hints()
        job_logging.connect()
        registry.register(CANARY)
        registry.subscribe(register_task)
        autodiscover_modules("tasks")
        connect_worker()


def subscribe_hints() -> None:
    """Have the hints made after each commit. Screens and hosts come before the broker, which may run the job inline."""
    from livejobs import signals, transitions
    from livejobs.hints import broadcast, publishing

    for subscriber in (broadcast.announce, signals.send, publishing.publish_queued):
        transitions.subscribe(subscriber)


def connect_worker() -> None:
    """Have Celery's worker start and end the agents."""
    from celery.signals import (
        celeryd_after_setup,
        celeryd_init,
        worker_process_init,
        worker_process_shutdown,
        worker_ready,
    )  # fmt: skip

    from livejobs.runner import root_logging, surroundings
    from livejobs.worker import celery_end, current_task
    from livejobs.worker.agent import end_agent, prepare_places, start_agent
    from livejobs.worker.parent import parent
    from livejobs.worker.task import register_probe

    register_probe()
    parent.connect()
    surroundings.surround_with(current_task.as_current_task)
    celery_end.log_in_one_line()
    celeryd_init.connect(root_logging.remember, dispatch_uid="livejobs-agent")
    celeryd_after_setup.connect(prepare_places, dispatch_uid="livejobs-agent")
    worker_ready.connect(start_agent, dispatch_uid="livejobs-agent")
    worker_process_init.connect(start_agent, dispatch_uid="livejobs-agent")
    worker_process_shutdown.connect(end_agent, dispatch_uid="livejobs-agent")


def register_task(live_job: Any) -> None:
    """Make a definition a real Celery shared task with our base class."""
    from celery import shared_task

    from livejobs.worker.task import LiveTask

    shared_task(name=live_job.name, base=LiveTask, live_job=live_job)(live_job.func)
