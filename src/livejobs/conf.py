"""The settings: one table of (name, default, help) behind the `LIVEJOBS` dict of a host's Django settings.

Read them as attributes of `conf`: `conf.BEAT_SECONDS`. A name that is not in the table is an error at start
(`checks.py`), and a test fails when one is not in the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in the `LIVEJOBS` dict, its default and what it does."""

    name: str
    default: Any
    help: str


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("DATABASE", "default", "The alias of the database that holds the jobs."),
    Setting("CHANNEL_LAYER", "default", "The alias of the channel layer that carries live updates."),
    Setting("QUEUE", "livejobs", "The queue of a task that names none."),
    Setting("EXPOSE", False, "Whether people may start a task that does not say so itself (True under `livejobs up`)."),
    Setting("POLICY", "livejobs.policy.Policy", "The class that says who may start, see, cancel and retry what."),
    Setting(
        "OWNERLESS_FOR_ALL", False, "Whether jobs without an owner are seen by everyone (True under `livejobs up`)."
    ),
    Setting(
        "TRACEBACK_FOR_OWNER", False, "Whether an owner sees a traceback (True under `livejobs up`), or only staff."
    ),
    Setting("MAX_PARAMS_BYTES", 256 * 1024, "The largest params of a job, in bytes of JSON."),
    Setting("MAX_FRAME_BYTES", 512 * 1024, "The largest frame a client may send, in bytes."),
    Setting("MAX_NESTING", 20, "How deep a frame or params may nest."),
    Setting("MAX_RESULT_BYTES", 1024 * 1024, "The largest result of a job, in bytes of JSON."),
    Setting("MAX_LOG_LINES", 10_000, "Log lines kept of one attempt; then one line says so."),
    Setting("MAX_LOG_LINE", 8_192, "Characters kept of one log line."),
    Setting("MAX_NAME", 255, "Characters of a job's name."),
    Setting("BEAT_SECONDS", 5.0, "How often a worker renews the lease of its job and its own presence."),
    Setting("LEASE_SECONDS", 20.0, "How long the rescuer must see a lease unchanged before it rescues the job."),
    Setting("MAX_LOSSES", 2, "How often a job may be rescued before it fails; a task may say otherwise."),
    Setting("STOP_RAISE_SECONDS", 5.0, "How long a job may take to notice a stop before an exception is raised in it."),
    Setting("STOP_KILL_SECONDS", 15.0, "How long a job may take to end before its worker child is ended with it."),
    Setting(
        "WATCHDOG_SECONDS", 14.0, "How long a worker child may run no Python before it is ended; under LEASE_SECONDS."
    ),
    Setting(
        "SHUTDOWN_SECONDS", 5.0, "How long running jobs may go on after a worker got SIGTERM; then it releases them."
    ),
    Setting(
        "BACKOFF_SECONDS", 5.0, "The wait before a failed job's first retry; it doubles. A task may say otherwise."
    ),
    Setting("BACKOFF_MAX_SECONDS", 600.0, "The longest wait between two retries."),
    Setting("PROGRESS_SECONDS", 0.1, "The shortest time between two broadcasts of a job's progress."),
    Setting("PROGRESS_SAVE_SECONDS", 1.0, "The shortest time between two writes of a job's progress."),
    Setting("LOG_SECONDS", 0.25, "How long log lines are gathered before they are written and sent."),
    Setting("PUBLISH_SECONDS", 2.0, "How long one publish to the broker may take, connecting included."),
    Setting("DISPATCH_SECONDS", 1.0, "How often the dispatcher looks for queued jobs that were not published."),
    Setting(
        "REPUBLISH_SECONDS", 20.0, "How long a job stays queued until its queue is probed for lost messages; doubles."
    ),
    Setting("PROBE_SECONDS", 5.0, "How long after an answered probe a job that is still queued counts as lost."),
    Setting("SCHEDULE_SECONDS", 0.5, "How often the scheduler looks for jobs whose time has come."),
    Setting("PRUNE_SECONDS", 60.0, "How often the pruner looks for old jobs."),
    Setting(
        "KEEP_SECONDS",
        {"succeeded": 30 * 86_400, "cancelled": 30 * 86_400, "failed": None},
        "How long finished jobs are kept, by state; None for ever.",
    ),
    Setting("KEEP_BY_TASK", {}, 'The same for single tasks: `{"shop.tasks.export": {"succeeded": 3600}}`.'),
    Setting("PRESENCE_SECONDS", 15.0, "How old a presence may be before its worker counts as gone."),
    Setting("HEAL_SECONDS", 5.0, "How often the live view of unfinished jobs is compared with the database."),
    Setting("HEAL_FINISHED_SECONDS", 30.0, "How often the live view of finished jobs is compared with the database."),
    Setting("SLOW_CLIENT_SECONDS", 10.0, "How long a blocked browser may hold up its messages before it is closed."),
    Setting("SESSION_SECONDS", 60.0, "How often a socket reads its user and session again."),
    Setting("RETRY_AFTER_SECONDS", 0.5, "The base of a browser's reconnect delay; it doubles, and has full jitter."),
    Setting("RETRY_MAX_SECONDS", 30.0, "The longest reconnect delay of a browser."),
    Setting(
        "TUTORIAL_REPLAY_SECONDS", 600.0, "How long the tutorial's dialect repeats a completion to a returning client."
    ),
)
NAMES: Final = frozenset(setting.name for setting in SETTINGS)
_DEFAULTS: Final = {setting.name: setting.default for setting in SETTINGS}


class Conf:
    """The settings in force: the host's `LIVEJOBS` dict over the defaults, read at each use so tests can override."""

    def __getattr__(self, name: str) -> Any:
        if name not in NAMES:
            raise AttributeError(f"LIVEJOBS has no setting {name!r}")
        from django.conf import settings

        given: dict[str, Any] = getattr(settings, "LIVEJOBS", None) or {}
        return given.get(name, _DEFAULTS[name])


conf: Final = Conf()
