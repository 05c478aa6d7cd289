"""The settings: one table of (name, type, default, help) behind the `LIVEJOBS` dict of a host's Django settings.

Read them as attributes of `conf`: `conf.BEAT_SECONDS`. A name that is not in the table, or a value of another type, is
an error at start (`checks.py`), and a test fails when one is not in the documentation.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Final, cast, get_type_hints

NAMESPACE_PATTERN: Final = r"[A-Za-z0-9_-]{1,32}"  # so that a name with it has no more characters than Channels takes
Keep = dict[str, float | None]  # seconds by state; None: for ever


def _setting(default: Any, help: str) -> Any:
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata={"help": help})
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Settings:
    """Every setting, with its type and its default. Times are in seconds, sizes in bytes or as the help says."""

    DATABASE: str = _setting("default", "The alias of the database that holds the jobs.")
    CHANNEL_LAYER: str = _setting("default", "The alias of the channel layer that carries live updates.")
    NAMESPACE: str = _setting(
        "",
        "What tells this project's messages from those of others on the same Redis; from SECRET_KEY and the database's"
        " name where none is given.",
    )
    QUEUE: str = _setting("livejobs", "The queue of a task that names none.")
    EXPOSE: bool = _setting(
        False, "Whether people may start a task that does not say so itself (True under `livejobs up`)."
    )
    POLICY: str = _setting("livejobs.policy.Policy", "The class that says who may start, see, cancel and retry what.")
    OWNERLESS_FOR_ALL: bool = _setting(
        False, "Whether jobs without an owner are seen by everyone (True under `livejobs up`)."
    )
    TRACEBACK_FOR_OWNER: bool = _setting(
        False, "Whether an owner sees tracebacks, and where a job is (True under `livejobs up`), or only staff."
    )
    MAX_PARAMS_BYTES: int = _setting(256 * 1024, "The largest params of a job, in bytes of JSON.")
    MAX_FRAME_BYTES: int = _setting(512 * 1024, "The largest frame a client may send, in bytes.")
    MAX_NESTING: int = _setting(20, "How deep a frame or params may nest.")
    MAX_RESULT_BYTES: int = _setting(1024 * 1024, "The largest result of a job, in bytes of JSON.")
    MAX_LOG_LINES: int = _setting(10_000, "Log lines kept of one attempt: the first half and the last half of it.")
    MAX_LOG_LINE: int = _setting(8_192, "Characters kept of one log line.")
    MAX_NAME: int = _setting(255, "Characters of a job's name.")
    BEAT_SECONDS: float = _setting(5.0, "How often a worker renews the lease of its job and its own presence.")
    LEASE_SECONDS: float = _setting(20.0, "How long the rescuer must see a lease unchanged before it rescues the job.")
    MAX_LOSSES: int = _setting(2, "How often a job may be rescued before it fails; a task may say otherwise.")
    STOP_RAISE_SECONDS: float = _setting(
        5.0, "How long a job may take to notice a stop before an exception is raised in it."
    )
    STOP_KILL_SECONDS: float = _setting(
        15.0, "How long a job may take to end before its process is ended with all that it started."
    )
    WATCHDOG_SECONDS: float = _setting(
        14.0,
        "How long a worker child may stand still before its job is ended; under LEASE_SECONDS.",
    )
    RUNNER_JOBS: int = _setting(
        0,
        "Jobs after which the process that runs them is replaced; 0: Celery's worker_max_tasks_per_child, if any.",
    )
    RUNNER_MEMORY: int = _setting(
        0,
        "Bytes of memory beyond which it is replaced; 0: Celery's worker_max_memory_per_child, if any.",
    )
    SHUTDOWN_SECONDS: float = _setting(
        5.0, "How long running jobs may go on after a worker got SIGTERM; then it releases them."
    )
    BACKOFF_SECONDS: float = _setting(
        5.0, "The wait before a failed job's first retry; it doubles. A task may say otherwise."
    )
    BACKOFF_MAX_SECONDS: float = _setting(600.0, "The longest wait between two retries.")
    PROGRESS_SECONDS: float = _setting(0.1, "The shortest time between two broadcasts of a job's progress.")
    PROGRESS_SAVE_SECONDS: float = _setting(1.0, "The shortest time between two writes of a job's progress.")
    LOG_SECONDS: float = _setting(0.25, "How long log lines are gathered before they are written and sent.")
    PUBLISH_SECONDS: float = _setting(2.0, "How long one publish to the broker may take, connecting included.")
    DISPATCH_SECONDS: float = _setting(1.0, "How often the dispatcher looks for queued jobs that were not published.")
    REPUBLISH_SECONDS: float = _setting(
        20.0, "How long a job stays queued until its queue is probed for lost messages; doubles."
    )
    PROBE_SECONDS: float = _setting(5.0, "How long after an answered probe a job that is still queued counts as lost.")
    SCHEDULE_SECONDS: float = _setting(0.5, "How often the scheduler looks for jobs whose time has come.")
    PRUNE_SECONDS: float = _setting(60.0, "How often the pruner looks for old jobs.")
    KEEP_SECONDS: Keep = _setting(
        {"succeeded": 30 * 86_400, "cancelled": 30 * 86_400, "failed": None},
        "How long finished jobs are kept, by state; None for ever.",
    )
    KEEP_BY_TASK: dict[str, Keep] = _setting(
        {}, 'The same for single tasks: `{"shop.tasks.export": {"succeeded": 3600}}`.'
    )
    PRESENCE_SECONDS: float = _setting(15.0, "How old a presence may be before its worker counts as gone.")
    HEAL_SECONDS: float = _setting(5.0, "How often the live view of unfinished jobs is compared with the database.")
    HEAL_FINISHED_SECONDS: float = _setting(
        30.0, "How often the live view of finished jobs is compared with the database."
    )
    SLOW_CLIENT_SECONDS: float = _setting(
        10.0, "How long a blocked browser may hold up its messages before it is closed."
    )
    SESSION_SECONDS: float = _setting(60.0, "How often a socket reads its user and session again.")
    RETRY_AFTER_SECONDS: float = _setting(
        0.5, "The base of a browser's reconnect delay; it doubles, and has full jitter."
    )
    RETRY_MAX_SECONDS: float = _setting(30.0, "The longest reconnect delay of a browser.")
    TUTORIAL_REPLAY_SECONDS: float = _setting(
        600.0, "How long the tutorial's dialect repeats a completion to a returning client."
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in the `LIVEJOBS` dict, its type, its default and what it does."""

    name: str
    type: Any
    default: Any
    help: str


_DEFAULTS: Final = vars(Settings())
_TYPES: Final = get_type_hints(Settings)
SETTINGS: Final = tuple(
    Setting(each.name, _TYPES[each.name], _DEFAULTS[each.name], each.metadata["help"]) for each in fields(Settings)
)
NAMES: Final = frozenset(_DEFAULTS)


class _InForce:
    """The host's `LIVEJOBS` dict over the defaults, read at each use so tests can override."""

    def __getattr__(self, name: str) -> Any:
        if name not in NAMES:
            raise AttributeError(f"LIVEJOBS has no setting {name!r}")
        from django.conf import settings

        given: dict[str, Any] = getattr(settings, "LIVEJOBS", None) or {}
        return given.get(name, _DEFAULTS[name])


conf: Final = cast("Settings", _InForce())


def namespace() -> str:
    """What tells this project from others on the same servers: the setting, or a digest.

    Of SECRET_KEY and the name of the database. Not of its host: the processes of one project may reach it by different
    ways (a pooler), and have to agree.
    """
    from django.conf import settings

    given = conf.NAMESPACE
    if given:
        return given
    database = settings.DATABASES.get(conf.DATABASE) or {}
    return _digest(f"{settings.SECRET_KEY}\0{database.get('NAME', '')}")


@lru_cache(maxsize=16)
def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
