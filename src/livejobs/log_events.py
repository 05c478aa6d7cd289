"""The names of what is logged. A record's text is for people, its `event` and fields for machines, and they stay."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class LogEvent(StrEnum):
    """What happened: the `event` of a record. docs/reference/logging.md says for each when, and with which fields."""

    JOB_CHANGED = "job.changed"
    JOB_CLAIM_GIVEN_UP = "job.claim_given_up"
    JOB_LEFT_TO_OTHERS = "job.left_to_others"
    JOB_TASK_UNKNOWN = "job.task_unknown"
    JOB_LEASE_LOST = "job.lease_lost"
    JOB_KILLED = "job.killed"
    JOB_WORKER_DIED = "job.worker_died"
    JOB_LEFT_TO_RESCUER = "job.left_to_rescuer"
    JOB_SILENT = "job.silent"
    JOB_RESCUE_FAILED = "job.rescue_failed"
    JOB_WRITE_FAILED = "job.write_failed"
    JOB_RESULT_NOT_STORED = "job.result_not_stored"
    JOB_LOG_NOT_STORED = "job.log_not_stored"
    JOB_NOT_RUN = "job.not_run"
    JOB_SUPERVISION_FAILED = "job.supervision_failed"
    JOBS_PRUNED = "jobs.pruned"
    JOBS_LEFT_TO_DISPATCHER = "jobs.left_to_dispatcher"
    WORKER_TAKES_NO_MORE = "worker.takes_no_more"
    QUEUE_SHARED = "queue.shared"
    QUEUE_MESSAGES_LOST = "queue.messages_lost"
    BROKER_DOWN = "broker.down"
    BROKER_UP = "broker.up"
    DATABASE_DOWN = "database.down"
    DATABASE_UP = "database.up"
    LIVE_DELAYED = "live.delayed"
    LIVE_RESTORED = "live.restored"
    LIVE_FAILED = "live.failed"
    HEAL_FAILED = "live.heal_failed"
    EVENT_REFUSED = "live.event_refused"
    HUB_FAILED = "live.hub_failed"
    SOCKET_REQUEST_FAILED = "socket.request_failed"
    FEW_DESCRIPTORS = "server.few_descriptors"
    HEAD_REFUSED = "server.head_refused"
    DUTY_FAILED = "maintenance.duty_failed"
    DUTY_RESTORED = "maintenance.duty_restored"
    RECEIVER_FAILED = "signal.receiver_failed"
    PERMISSION_FAILED = "permission.failed"


def fields(event: LogEvent, **values: Any) -> dict[str, Any]:
    """Build the `extra=` of a record: its event, and what it is about.

    :param values: job (its id), task, attempt, edge, worker (`host:pid`), state, queue, count, duty, request …
    """
    return {"event": event.value, **values}
