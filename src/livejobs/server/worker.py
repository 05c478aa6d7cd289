"""The worker part: Celery with a thread for each job that may run at a time, for every queue that a job names."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from importlib import import_module
from typing import Any, Final

from livejobs.server import handover
from livejobs.server.environment import Environment
from livejobs.server.failures import StartError
from livejobs.server.part import load_jobs, load_later, run_part, wait_for_servers

# What Celery imports as its worker starts, and Django as it checks itself: a worker that stands by has them already
AHEAD: Final = (
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.control",
    "django.contrib.auth.views",
    "django.core.management.commands.migrate",
    "kombu.transport.redis",
    "livejobs.runner.loop",
    "livejobs.server.patient_consumer",
    "livejobs.server.project.urls",
    "livejobs.worker.agent",
    "redis.asyncio",
)
POOL: Final = "LIVEJOBS_POOL"
# jobs have processes of their own in each. Threads need two thirds of the memory of prefork, and are ready sooner
# (`make bench ARGS=pools`)
POOLS: Final = ("threads", "prefork", "solo")


def queues() -> list[str]:
    """Return the default queue and every queue that a job names."""
    from livejobs.conf import conf
    from livejobs.definition import registry

    return sorted(registry.queues(conf.QUEUE))


def options(environment: Environment) -> dict[str, Any]:
    """Return what Celery's worker is made with.

    :raises StartError: LIVEJOBS_POOL names no pool that can run live jobs.
    """
    from celery import concurrency
    from celery.utils.nodenames import default_nodename, host_format

    from livejobs.server.patient_consumer import PatientConsumer

    pool = os.environ.get(POOL, POOLS[0])
    if pool not in POOLS:
        raise StartError(f"{POOL} is {pool!r}; it has to be {', '.join(POOLS[:-1])} or {POOLS[-1]}.")
    return {
        "quiet": True,  # no banner
        "consumer_cls": PatientConsumer,
        "pool_cls": concurrency.get_implementation(pool),
        "concurrency": environment.workers,
        "queues": queues(),
        "hostname": host_format(default_nodename("livejobs@%h")),
        # each of the three costs a start a second or adds ways to fail; ours go through the database
        "without_gossip": True,
        "without_mingle": True,
        "without_heartbeat": True,
        "loglevel": logging.WARNING,
    }


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
    import_module("livejobs.worker.zygotes").hand_on.append(handover.hand_on)
    load_jobs("worker")
    wait_for_servers()
    # not Celery's own command, which imports a shell with colours and completion
    celery_worker = app.Worker(**options(Environment.read()))
    celery_worker.start()
    return celery_worker.exitcode or 0


if __name__ == "__main__":
    sys.exit(run_part("worker", main))
