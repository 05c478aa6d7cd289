"""System checks: settings that cannot work are said at start, each in one sentence."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from livejobs import publishing
from livejobs.conf import NAMES, conf
from livejobs.options import is_seconds
from livejobs.states import FINISHED
from livejobs.worker.parent import POOLS


@register("livejobs")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Refuse unknown names in the LIVEJOBS dict and aliases that do not exist."""
    given = getattr(settings, "LIVEJOBS", None) or {}
    if not isinstance(given, dict):
        return [Error("LIVEJOBS must be a dict.", id="livejobs.E001")]
    found: list[CheckMessage] = [
        Error(f"LIVEJOBS has no setting {name!r}.", hint="See the settings reference.", id="livejobs.E002")
        for name in sorted(set(given) - NAMES)
    ]
    if given.get("DATABASE", "default") not in settings.DATABASES:
        found.append(Error("LIVEJOBS['DATABASE'] names no database in DATABASES.", id="livejobs.E003"))
    pool = str(getattr(publishing.celery_app().conf, "worker_pool", "prefork"))
    if not any(word in pool for word in (*POOLS, "processes")):  # the last is another word for prefork
        found.append(
            Error(
                f"Live jobs run in Celery's prefork, threads and solo pools, not in {pool}.",
                hint="Set worker_pool to prefork; threads and solo can stop only jobs that look up.",
                id="livejobs.E006",
            )
        )
    found += _check_times(given)
    found += _check_keeping(given)
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if given.get("CHANNEL_LAYER", "default") not in layers:
        found.append(
            Error(
                "Live updates need a channel layer: CHANNEL_LAYERS has no entry for LIVEJOBS['CHANNEL_LAYER'].",
                hint="Use channels_redis.pubsub.RedisPubSubChannelLayer.",
                id="livejobs.E004",
            )
        )
    elif layers[given.get("CHANNEL_LAYER", "default")].get("BACKEND") == "channels_redis.core.RedisChannelLayer":
        found.append(
            Error(
                "channels_redis.core.RedisChannelLayer drops messages silently; live updates need the pub/sub layer.",
                hint="Set BACKEND to channels_redis.pubsub.RedisPubSubChannelLayer.",
                id="livejobs.E005",
            )
        )
    return found


def _check_times(given: dict[str, Any]) -> list[CheckMessage]:
    """Refuse times that break a promise together: a child that is frozen must end before its job is rescued."""
    ordered = (
        ("BEAT_SECONDS", "WATCHDOG_SECONDS", "livejobs.E007"),
        ("WATCHDOG_SECONDS", "LEASE_SECONDS", "livejobs.E008"),
        ("STOP_RAISE_SECONDS", "STOP_KILL_SECONDS", "livejobs.E009"),
    )
    return [
        Error(
            f"LIVEJOBS[{less!r}] ({getattr(conf, less)}) must be less than LIVEJOBS[{more!r}] ({getattr(conf, more)}).",
            id=name,
        )
        for less, more, name in ordered
        if {less, more} & set(given) and getattr(conf, less) >= getattr(conf, more)
    ]


def _check_keeping(given: dict[str, Any]) -> list[CheckMessage]:
    """Refuse times of the pruner that are none: it would stumble over them, or delete what nobody meant."""
    by_task = given.get("KEEP_BY_TASK", {})
    tables = {"KEEP_SECONDS": given.get("KEEP_SECONDS", {})}
    tables |= (
        {f"KEEP_BY_TASK[{task!r}]": keep for task, keep in by_task.items()}
        if isinstance(by_task, dict)
        else {"KEEP_BY_TASK": by_task}
    )
    return [
        Error(
            f"LIVEJOBS: {name} must be a dict of {', '.join(sorted(FINISHED))}, each a number of seconds or None.",
            id="livejobs.E010",
        )
        for name, keep in tables.items()
        if not isinstance(keep, dict) or not all(_is_keeping(*item) for item in keep.items())
    ]


def _is_keeping(state: Any, seconds: Any) -> bool:
    return state in FINISHED and (seconds is None or is_seconds(seconds))
