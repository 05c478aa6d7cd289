"""The worker part: Celery with a thread for each job that may run at a time, for every queue that a job names."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import Final

from livejobs.server.environment import Environment
from livejobs.server.part import load_jobs, load_later, run_part, wait_for_servers

# What Celery imports as its worker starts, and Django as it checks itself: a worker that stands by has them already
AHEAD: Final = (
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.thread",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.control",
    "django.contrib.auth.views",
    "django.core.management.commands.migrate",
    "kombu.transport.redis",
    "livejobs.runner.loop",
    "livejobs.server.project.urls",
    "livejobs.worker.agent",
    "redis.asyncio",
)
# prefork, threads or solo; jobs have processes of their own in each. Threads need two thirds of the memory of prefork,
# and are ready sooner (`make bench ARGS=pools`)
POOL: Final = "LIVEJOBS_POOL"


def queues() -> list[str]:
    """Return the default queue and every queue that a job names."""
    from livejobs.conf import conf
    from livejobs.definition import registry

    return sorted(registry.queues(conf.QUEUE))


def arguments(environment: Environment) -> list[str]:
    """Return the command line of the Celery worker."""
    return [
        "--quiet",  # no banner
        "worker",
        f"--pool={os.environ.get(POOL, 'threads')}",
        f"--concurrency={environment.workers}",
        f"--queues={','.join(queues())}",
        "--hostname=livejobs@%h",
        # each of the three costs a start a second or adds ways to fail; ours go through the database
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel=WARNING",
    ]


def main() -> int:
    """Run jobs until told to stop."""
    import django

    load_later()
    django.setup()
    from celery.platforms import SecurityWarning  # type: ignore[attr-defined]  # the stubs do not know it

    from livejobs.server.project.celery import app

    # it warns of pickle, which we do not accept
    warnings.filterwarnings("ignore", category=SecurityWarning)
    for name in AHEAD:
        import_module(name)
    load_jobs("worker")
    wait_for_servers()
    app.worker_main(arguments(Environment.read()))
    return 0


if __name__ == "__main__":
    sys.exit(run_part("worker", main))
