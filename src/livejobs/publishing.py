"""Telling the broker that a queued row may be ready: off the caller's thread, with a short bound, the id only.

A publish is a hint. One that fails clears `published_at`, and the dispatcher makes it again from the row.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from typing import Any, Final

from celery import current_app
from django.db import connections

from livejobs.conf import conf
from livejobs.models import Job

logger = logging.getLogger("livejobs.publishing")

HEADER: Final = "livejobs_job"  # the header that tells a live run from a direct call


def celery_id(job_id: int, attempt: int) -> str:
    """The Celery id of an attempt."""
    return f"{job_id}-{attempt}"


class Publisher:
    """One kept broker connection with short timeouts. Not thread-safe: one per thread."""

    def __init__(self) -> None:
        self._producer: Any = None

    def publish(self, job_id: int, attempt: int, task: str, queue_name: str) -> None:
        """Send one message.

        :param attempt: the attempt the message hopes to become.
        :raises Exception: whatever the transport raises when the broker is down; at most after PUBLISH_SECONDS a step.
        """
        try:
            current_app.send_task(
                task,
                task_id=celery_id(job_id, attempt),
                headers={HEADER: str(job_id)},
                queue=queue_name,
                producer=self._connected(),
                retry=False,
                ignore_result=True,
                serializer="json",
            )
        except Exception:
            self.close()
            raise

    def ping(self) -> None:
        """Find out whether the broker answers; a channel is opened for that, which asks the server.

        :raises Exception: whatever the transport raises when it does not; at most after PUBLISH_SECONDS a step.
        """
        try:
            self._connected().connection.channel().close()
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection; the next publish makes a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.connection.close()
            except Exception:
                logger.debug("The broken broker connection did not close", exc_info=True)

    def _connected(self) -> Any:
        if self._producer is None:
            bound = float(conf.PUBLISH_SECONDS)
            options = {
                **(current_app.conf.broker_transport_options or {}),
                "socket_timeout": bound,
                "socket_connect_timeout": bound,
                "retry_on_timeout": False,
                "max_retries": 0,
            }
            connection = current_app.connection_for_write(connect_timeout=bound, transport_options=options)
            self._producer = current_app.amqp.Producer(connection, auto_declare=False)
        return self._producer


class PublishThread:
    """The thread that publishes what this process accepted, in order."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._jobs: queue.SimpleQueue[tuple[int, int, str, str]] = queue.SimpleQueue()
        self._publisher = Publisher()
        self._thread = threading.Thread(target=self._run, name="livejobs-publish", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job for publishing; returns at once."""
        self._jobs.put((job.id, job.attempt + 1, job.task, job.queue))

    def _run(self) -> None:
        while True:
            message = self._jobs.get()
            try:
                self._publisher.publish(*message)
            except Exception as error:
                self._give_back([message[0], *self._drained()], error)

    def _drained(self) -> list[int]:
        """Everything that waits: while the broker is away each would cost its own timeout."""
        waiting: list[int] = []
        while not self._jobs.empty():
            waiting.append(self._jobs.get()[0])
        return waiting

    def _give_back(self, job_ids: list[int], error: Exception) -> None:
        logger.warning("The broker does not answer (%s): %d queued jobs wait in the database", error, len(job_ids))
        try:
            unpublish(job_ids)
        except Exception:
            logger.exception("The jobs are published when the dispatcher notices")
        finally:
            connections.close_all()  # this thread rarely needs one


def unpublish(job_ids: list[int]) -> None:
    """Say in the rows that the broker does not know of these jobs, so that the dispatcher publishes them."""
    Job.objects.using(conf.DATABASE).queued().filter(id__in=job_ids).update(published_at=None)


_thread: PublishThread | None = None
_thread_lock = threading.Lock()


def submit(job: Job) -> None:
    """Publish a queued job soon, off this thread; inline where the host's Celery is eager."""
    if current_app.conf.task_always_eager:
        current_app.tasks[job.task].apply(task_id=celery_id(job.id, job.attempt + 1), headers={HEADER: str(job.id)})
        return
    _publish_thread().submit(job)


def _publish_thread() -> PublishThread:
    global _thread
    found = _thread
    if found is None or found.pid != os.getpid():
        with _thread_lock:
            found = _thread
            if found is None or found.pid != os.getpid():
                found = _thread = PublishThread()
    return found


def _forget_after_fork() -> None:
    global _thread, _thread_lock
    _thread, _thread_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
