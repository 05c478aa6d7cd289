"""The database from the event loop: threads of our own with kept connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections

from livejobs.database import pool
from livejobs.models import Job
from tests.support.rows import accepted


@pytest.fixture(autouse=True)
async def _closed(transactional_db: None) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(pool.close)


async def test_a_call_runs_on_a_thread_of_ours_and_its_answer_comes_back():
    job = await pool.run(accepted, name="x")
    assert (await pool.run(Job.objects.get, name="x")).id == job.id
    assert (await pool.run(lambda: threading.current_thread().name)).startswith("livejobs-live")


async def test_an_exception_comes_back_too():
    with pytest.raises(Job.DoesNotExist):
        await pool.run(Job.objects.get, name="none")


async def test_a_connection_is_kept_between_calls():
    def which() -> tuple[str, int]:
        connection.ensure_connection()
        return threading.current_thread().name, id(connection.connection)

    found = {await pool.run(which) for _ in range(20)}
    assert len(found) == len({thread for thread, _ in found})


async def test_calls_run_beside_each_other():
    gate = threading.Barrier(4, timeout=20)
    await asyncio.gather(*(pool.run(gate.wait) for _ in range(4)))


@pytest.mark.skipif(settings.DATABASE != "postgresql", reason="a connection to a file does not break")
async def test_a_connection_that_broke_is_replaced():
    def breaks() -> None:
        connection.ensure_connection()
        connection.connection.close()
        connection.errors_occurred = True
        raise OperationalError("away")

    for _ in range(3):
        with pytest.raises(OperationalError):
            await pool.run(breaks)
        await pool.run(Job.objects.count)


async def test_closing_ends_the_threads_and_their_connections():
    await pool.run(Job.objects.count)
    opened = set(pool._opened)
    assert opened
    await asyncio.to_thread(pool.close)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("livejobs-live")]
    assert all(each.connection is None for each in opened if each is not connections["default"])
    assert await pool.run(Job.objects.count) == 0
