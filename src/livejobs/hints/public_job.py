"""A job as everyone who may see it sees it: the row turned into the wire's `PublicJob`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from livejobs.definition import registry
from livejobs.models import Job, JobLog
from livejobs.protocol import TRUNCATE_OVER, JobError, LogLine, Progress, PublicJob, encode

EXACT: Final = 2**53  # from here on a float is not exact, and JavaScript has nothing else


def iso(moment: datetime | None) -> str | None:
    """Write a time as ISO 8601 in UTC with milliseconds, or null."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def public_job(job: Job, *, truncate: bool = False) -> PublicJob:
    """Build the public job.

    :param truncate: for lists: params and result over 1 KB of JSON become null and `truncated` is true.
    """
    live_job = registry.get(job.task)
    params, result = job.params, job.result
    truncated = False
    if truncate:
        params, params_cut = _small(params)
        result, result_cut = _small(result)
        truncated = params_cut or result_cut
    public: PublicJob = {
        "id": job.id,
        "task": job.task,
        "title": live_job.title if live_job else job.task,
        "name": job.name,
        "state": str(job.state),
        "params": params,
        "progress": progress_of(job),
        "result": result,
        "error": _public_error(job.error),
        "queue": job.queue,
        "attempt": job.attempt,
        "failures": job.failures,
        "retries": job.retries,
        "losses": job.losses,
        "owner": job.owner.get_username() if job.owner else None,
        "created_at": iso(job.created_at) or "",
        "run_at": iso(job.run_at),
        "started_at": iso(job.started_at),
        "finished_at": iso(job.finished_at),
        "cancel_requested_at": iso(job.cancel_requested_at),
        "stopping_at": iso(job.stopping_at),
        "worker": job.worker,
        "log_seq": job.log_seq,
        "version": job.version,
    }
    if truncated:
        public["truncated"] = True
    return public


def public_progress(tick: int, current: float | None, total: float | None, message: str) -> Progress:
    """Build the public progress; whole numbers are sent as such."""
    return {"tick": tick, "current": _number(current), "total": _number(total), "message": message}


def progress_of(job: Job) -> Progress:
    """Build the public progress of a row."""
    progress = public_progress(job.tick, job.current, job.total, job.message)
    return with_use(progress, job.cpu_seconds, job.memory_peak)


def with_use(progress: Progress, cpu_seconds: float, memory_peak: int) -> Progress:
    """Add what its processes use, where that was measured."""
    return {**progress, "cpu_seconds": cpu_seconds, "memory_peak": memory_peak} if memory_peak else progress


def public_log_line(line: JobLog) -> LogLine:
    """Build the public form of one log line, of the model or of a row with its columns."""
    return {
        "seq": line.seq,
        "attempt": line.attempt,
        "at": iso(line.at) or "",
        "level": line.level,
        "text": line.text,
    }


def _number(value: float | None) -> float | None:
    if value is None or abs(value) >= EXACT or not float(value).is_integer():
        return value
    return int(value)


def _public_error(error: dict[str, Any] | None) -> JobError | None:
    if error is None:
        return None
    return {"reason": error.get("reason", ""), "type": error.get("type", ""), "message": error.get("message", "")}


def _small(value: Any) -> tuple[Any, bool]:
    if value is None or len(encode(value).encode()) <= TRUNCATE_OVER:
        return value, False
    return None, True
