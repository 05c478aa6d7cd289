"""Telling the broker that a queued row may be ready: off the caller's thread, with a short bound, the id only.

A publish is a hint. One that fails clears `published_at`, and the dispatcher makes it again from the row.
"""

from __future__ import annotations

import atexit
import logging
import queue
import re
import threading
import uuid
from collections.abc import Mapping
from typing import Any, Final

from celery._state import _get_active_apps, get_current_app  # type: ignore[attr-defined]  # no other door
from django.db import connections
from kombu import Exchange, Producer, Queue

from livejobs.conf import conf, namespace
from livejobs.hints import queue_probes
from livejobs.log_events import LogEvent, fields
from livejobs.models import Job
from livejobs.per_process import PerProcess
from livejobs.states import EdgeName, State

logger = logging.getLogger("livejobs.publishing")

HEADER: Final = "livejobs_job"  # the header that tells a live run from a direct call
NAMESPACE_HEADER: Final = "livejobs_namespace"  # whose job it is
PASSED_HEADER: Final = "livejobs_passed"  # how often it was sent on by workers of other projects


def celery_id(job_id: int, attempt: int) -> str:
    """The Celery id of an attempt."""
    return f"{job_id}-{attempt}"


def header(message: Mapping[str, Any], name: str) -> Any:
    """A header of a message, in Celery's request: beside the rest in a worker, below `headers` in its eager mode."""
    return message.get(name) or (message.get("headers") or {}).get(name)


def stranger(message: Mapping[str, Any]) -> str:
    """The namespace of a message that is another project's; empty for one of ours, and one that names none."""
    found = header(message, NAMESPACE_HEADER) or ""
    return "" if found == namespace() else str(found)


def is_refusal(error: Exception) -> bool:
    """Whether a broker that answers takes no messages (read-only, out of memory, no rights)."""
    connection = celery_app().connection_for_write()
    return isinstance(error, (NotReturnedError, *connection.channel_errors)) and not isinstance(
        error, connection.connection_errors
    )


def celery_app() -> Any:
    """The host's Celery app, on any thread.

    `current_app` knows an app only on the thread that made it, unless somebody called `set_default()`; elsewhere it is
    an empty one that would publish to a RabbitMQ nobody has.
    """
    found: Any = get_current_app()
    if found.set_as_current:
        return found
    made = [app for app in _get_active_apps() if app.set_as_current]
    return made[0] if len(made) == 1 else found


def _is_about_the_name(error: Exception) -> bool:
    """Whether we may not have a queue of that name: RabbitMQ's 403, or a Redis whose ACL names keys."""
    text = str(error)
    return type(error).__name__ == "AccessRefused" or bool(re.search("(?i)no permissions.* key", text))


class NotReturnedError(Exception):
    """The broker took a message and did not give it back."""


class Publisher:
    """One kept broker connection with short timeouts. Not thread-safe: one per thread."""

    def __init__(self) -> None:
        self._producer: Any = None
        self._mark = uuid.uuid4().hex

    def publish(self, job_id: int, attempt: int, task: str, queue_name: str) -> None:
        """Send one message.

        :param attempt: the attempt the message hopes to become.
        :raises Exception: whatever the transport raises when the broker is down; at most after PUBLISH_SECONDS a step.
        """
        headers = {HEADER: str(job_id), NAMESPACE_HEADER: namespace()}
        self._send(task, queue_name, task_id=celery_id(job_id, attempt), headers=headers)

    def publish_probe(self, queue_name: str, number: int) -> None:
        """Send the message that asks a queue whether it loses others; errors as `publish`."""
        headers = {NAMESPACE_HEADER: namespace()}
        self._send(queue_probes.TASK, queue_name, kwargs={"queue": queue_name, "number": number}, headers=headers)

    def send_on(self, message: Mapping[str, Any], passed: int) -> None:
        """Put back what was another project's, the way it came, as Celery's request of it says; errors as `publish`."""
        headers = {name: str(value) for name in (HEADER, NAMESPACE_HEADER) if (value := header(message, name))}
        came = message.get("delivery_info") or {}
        way = {"exchange": came["exchange"], "routing_key": came["routing_key"]} if came.get("exchange") else {}
        self._send(
            message["task"], "" if way else came["routing_key"], task_id=message["id"], args=message.get("args"),
            kwargs=message.get("kwargs"), headers={**headers, PASSED_HEADER: passed}, **way,
        )  # fmt: skip

    def _send(self, task: str, queue_name: str, **options: Any) -> None:
        try:
            celery_app().send_task(
                task,
                queue=queue_name or None,
                producer=self._connected(),
                retry=False,
                ignore_result=True,
                serializer="json",
                **options,
            )
        except Exception:
            self.close()
            raise

    def ping(self) -> None:
        """Find out whether a message can be published and taken: one, in a queue of its own.

        A broker that is read-only or out of memory, or that lets us write no more, answers everything else. One that
        gives us rights for some names only, and not for that queue, is taken at its word.

        :raises Exception: whatever the transport raises when it cannot; at most after PUBLISH_SECONDS a step.
        """
        try:
            connection = self._connected().connection
            connection.ensure_connection(max_retries=0)  # channel() alone would wait 2 s and try again
            with connection.channel() as channel:
                self._send_to_ourselves(channel)
        except Exception as error:
            self.close()
            if not _is_about_the_name(error):
                raise

    def _send_to_ourselves(self, channel: Any) -> None:
        name = f"{conf.QUEUE}.ping.{self._mark}"
        queue = Queue(name, Exchange(""), name, durable=False, exclusive=True, auto_delete=True)(channel)
        queue.queue_declare()
        Producer(channel).publish("", exchange="", routing_key=name)
        if queue.get(no_ack=True) is None:
            raise NotReturnedError("A message that was published was not there.")
        queue.delete()

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
            bound = conf.PUBLISH_SECONDS
            app = celery_app()
            options = {
                **(app.conf.broker_transport_options or {}),
                "socket_timeout": bound,
                "socket_connect_timeout": bound,
                "read_timeout": bound,  # those of AMQP: RabbitMQ reads nothing while it has no memory or disk
                "write_timeout": bound,
                "retry_on_timeout": False,
                "max_retries": 0,
            }
            connection = app.connection_for_write(connect_timeout=bound, transport_options=options)
            self._producer = app.amqp.Producer(connection, auto_declare=False)
        return self._producer


class PublishThread:
    """The thread that publishes what this process accepted, in order."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[int, int, str, str] | None] = queue.SimpleQueue()
        self._publisher = Publisher()
        self._thread = threading.Thread(target=self._run, name="livejobs-publish", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job for publishing; returns at once."""
        self._jobs.put((job.id, job.attempt + 1, job.task, job.queue))

    def finish(self, seconds: float) -> None:
        """Publish what waits and end; a process that ends at once would leave it to the dispatcher, 20 s later."""
        self._jobs.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (message := self._jobs.get()) is not None:
            try:
                self._publisher.publish(*message)
            except Exception as error:
                self._give_back([message[0], *self._drained()], error)
        self._publisher.close()

    def _drained(self) -> list[int]:
        """Everything that waits: while the broker is away each would cost its own timeout."""
        waiting: list[int] = []
        while not self._jobs.empty():
            message = self._jobs.get()
            if message is None:
                self._jobs.put(None)
                break
            waiting.append(message[0])
        return waiting

    def _give_back(self, job_ids: list[int], error: Exception) -> None:
        logger.warning(
            "The broker does not answer (%s): %d queued jobs wait in the database", error, len(job_ids),
            extra=fields(LogEvent.BROKER_DOWN, count=len(job_ids)),
        )  # fmt: skip
        try:
            unpublish(job_ids)
        except Exception:
            logger.exception(
                "The jobs are published when the dispatcher notices",
                extra=fields(LogEvent.JOBS_LEFT_TO_DISPATCHER, count=len(job_ids)),
            )
        finally:
            connections.close_all()  # this thread rarely needs one


def unpublish(job_ids: list[int], *, publish_count: int | None = 0) -> None:
    """Say in the rows that the broker does not know of these jobs, so that the dispatcher publishes them.

    :param publish_count: how many messages were sent for them, a failed try is none; None: as many as the rows say.
    """
    Job.objects.using(conf.DATABASE).queued().filter(id__in=job_ids).unpublish(publish_count=publish_count)


publish_thread: Final = PerProcess(PublishThread)


def publish_queued(job: Job, edge: EdgeName) -> None:
    """Publish a job that was committed as queued."""
    if job.state == State.QUEUED and job.published_at is not None:
        submit(job)


def submit(job: Job) -> None:
    """Publish a queued job soon, off this thread; inline where the host's Celery is eager."""
    app = celery_app()
    if app.conf.task_always_eager:
        # what it raises is for Celery's signals: a start is accepted or refused, and how the job ends is in its row,
        # even where the host's `task_eager_propagates` says otherwise of its own tasks
        identity = celery_id(job.id, job.attempt + 1)
        app.tasks[job.task].apply(task_id=identity, headers={HEADER: str(job.id)}, throw=False)
        return
    publish_thread().submit(job)


@atexit.register
def finish() -> None:
    """Publish what this process accepted before it ends, within a short bound."""
    ending = publish_thread.take()
    if ending is not None:
        ending.finish(conf.PUBLISH_SECONDS)
