"""The first part of every start: check the servers outside, bring the tables up to date. It needs no jobs file.

It runs in a process of its own that ends when it is done, so that Django does not get into the supervisor.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from livejobs.errors import LivejobsError
from livejobs.server import valkey
from livejobs.server.database_config import title
from livejobs.server.environment import Environment
from livejobs.server.failures import StartError
from livejobs.server.part import load_later
from livejobs.server.readiness import mark_failed, mark_ready

PART: Final = "database"
CONNECT_SECONDS: Final = 3.0


def main() -> int:
    """Prepare everything; leave a mark with what was found, or with the sentence that says why not."""
    environment = Environment.read()
    try:
        check_redis(environment.redis_url)
        _set_up_django()
        check_database(environment)
        applied = migrate()
        requeued = requeue(environment)
    except LivejobsError as error:
        mark_failed(PART, error.message)
        return 1
    mark_ready(PART, applied=applied, requeued=requeued)
    return 0


def _set_up_django() -> None:
    import django

    load_later()
    django.setup()


def check_redis(url: str) -> None:
    """Fail when the Redis outside does not answer.

    :raises StartError: it cannot be reached, or refuses us.
    """
    if not url:
        return
    import redis

    try:
        client = redis.Redis.from_url(
            valkey.client_url(url, valkey.BROKER_DATABASE),
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=CONNECT_SECONDS,
        )
        with client:
            client.ping()
    except (redis.RedisError, OSError, ValueError, TypeError) as error:  # TypeError: an option nobody knows
        raise StartError(f"REDIS_URL: {valkey.shown(url)} cannot be used: {_first_line(error)}") from None


def check_database(environment: Environment) -> None:
    """Fail when the database cannot be opened.

    :raises StartError: it cannot be reached, or refuses us.
    """
    from django.db import connection
    from django.db.utils import Error

    try:
        connection.ensure_connection()
    except Error as error:
        name = title(environment.database_url, environment.data)
        raise StartError(f"The database {name} cannot be used: {_first_line(error)}") from None


def migrate() -> int:
    """Bring the tables up to date, and return how many migrations that took. Asks first: mostly there are none."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
    return len(plan)


def requeue(environment: Environment) -> int:
    """Queue again what a killed server left running; only where we are alone with the database, under its lock."""
    if environment.database_url:
        return 0
    from livejobs.maintenance.rescuer import requeue_orphans

    return requeue_orphans()


def _first_line(error: BaseException) -> str:
    text = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
    return text if text.endswith(".") else text + "."


if __name__ == "__main__":
    os.umask(0o077)  # a database that is made here is nobody else's; no job inherits this
    sys.exit(main())
