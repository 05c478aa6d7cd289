"""Bounding how long a write of maintenance waits for a lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from livejobs.conf import conf


@contextmanager
def short_lock_wait(seconds: float) -> Iterator[None]:
    """Open a transaction that waits this long for a lock at most; the rescuer must not write on old evidence.

    :raises django.db.OperationalError: somebody else held the lock for longer.
    """
    milliseconds = int(seconds * 1000)
    connection = connections[conf.DATABASE]
    with _sqlite_patience(milliseconds), transaction.atomic(using=conf.DATABASE):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {milliseconds}")
        yield


@contextmanager
def _sqlite_patience(milliseconds: int) -> Iterator[None]:
    """SQLite waits already where a transaction begins."""
    connection = connections[conf.DATABASE]
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before}")
