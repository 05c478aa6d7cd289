"""The tree of errors. The docstring of a class is its message where nothing better is known.

LivejobsError
├── DefinitionError          a function cannot be a live job (raised at decoration)
├── UnsupportedError         asked for something this version does not do
├── InvalidError             parameters or a field are wrong; `fields` says which
│   ├── TooLargeError        a bound was passed; the message names the limit
│   └── ResultError          what a job returned is not JSON, or too large
├── NotFoundError            no such job or task, or it is not yours
├── NotAllowedError          you may see it but not do this
├── ConflictError            the same idempotency key came with other parameters
├── FinishedError            the job was finished before this could be done
├── JobFailed                an attempt of a job failed; for Celery, in a worker: `start()` never raises it
└── UnavailableError         the database cannot be reached; nothing was stored

JobStopped is no LivejobsError and no Exception: `except Exception` in a job must not swallow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from livejobs.protocol import ErrorCode
from livejobs.states import StopReason


class LivejobsError(Exception):
    """Something went wrong in Livejobs."""

    code: ClassVar[ErrorCode] = ErrorCode.INVALID

    def __init__(self, message: str = "", *, fields: Mapping[str, str] | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.fields = dict(fields or {})
        super().__init__(self.message)


class DefinitionError(LivejobsError):
    """This function cannot be a live job."""

    code = ErrorCode.UNSUPPORTED
    reasons: tuple[str, ...] = ()  # each of them alone, without the function and its place


class UnsupportedError(LivejobsError):
    """This version of Livejobs does not do that."""

    code = ErrorCode.UNSUPPORTED


class InvalidError(LivejobsError):
    """Some fields are not right."""


class TooLargeError(InvalidError):
    """That is larger than the limit."""

    code = ErrorCode.TOO_LARGE


class ResultError(InvalidError):
    """What the job returned is not JSON."""


class NotFoundError(LivejobsError):
    """No such job, or it is not yours."""

    code = ErrorCode.NOT_FOUND


class NotAllowedError(LivejobsError):
    """You may not do that."""

    code = ErrorCode.NOT_ALLOWED


class ConflictError(LivejobsError):
    """This key was used before with other parameters."""

    code = ErrorCode.CONFLICT


class FinishedError(LivejobsError):
    """Finished before it could be cancelled."""

    code = ErrorCode.FINISHED


class JobFailed(LivejobsError):  # noqa: N818 - what happened, as JobStopped: no error of ours
    """An attempt of a job failed."""

    # Celery pickles what its tasks raise: so all but the message is given by name and may be left out
    def __init__(
        self,
        message: str = "",
        *,
        job_id: int | None = None,
        attempt: int | None = None,
        task: str = "",
        reason: str = "",
        type: str = "",
    ) -> None:
        super().__init__(message)
        self.job_id, self.attempt, self.task = job_id, attempt, task
        self.reason = reason  # a word of `livejobs.states.ErrorReason`
        self.type = type  # the name of the exception's class; empty where it was none, as a process that was killed


class UnavailableError(LivejobsError):
    """The database cannot be reached. Nothing was started."""

    code = ErrorCode.UNAVAILABLE


class JobStopped(BaseException):
    """Raised inside a running job that has to stop; let it pass, `finally` blocks run."""

    def __init__(self, reason: StopReason = StopReason.CANCEL) -> None:
        self.reason = reason
        super().__init__(reason.value)
