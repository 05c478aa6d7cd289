"""System checks: settings that cannot work are said at start, each in one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from livejobs.conf import NAMES, NAMESPACE_PATTERN, SETTINGS, conf
from livejobs.definition import is_seconds
from livejobs.hints import publishing
from livejobs.states import FINISHED
from livejobs.worker.parent import POOLS


@register("livejobs")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Refuse what cannot work in the LIVEJOBS dict, and what of the host does not go with it."""
    given = getattr(settings, "LIVEJOBS", None) or {}
    if not isinstance(given, dict):
        return [Error("LIVEJOBS must be a dict.", id="livejobs.E001")]
    wrong = _check_types(given)
    return [*_check_names(given), *wrong, *([] if wrong else _check_values(given)), *_check_pool()]


def _check_names(given: dict[str, Any]) -> list[CheckMessage]:
    return [
        Error(f"LIVEJOBS has no setting {name!r}.", hint="See the settings reference.", id="livejobs.E002")
        for name in sorted(set(given) - NAMES)
    ]


def _check_types(given: dict[str, Any]) -> list[CheckMessage]:
    """Refuse values of another type; those of the pruner have a check of their own, which says more."""
    return [
        Error(f"LIVEJOBS[{setting.name!r}] must be {words}, not {given[setting.name]!r}.", id="livejobs.E011")
        for setting in SETTINGS
        if setting.name in given and given[setting.name] != setting.default and setting.type in _TYPES
        for is_right, words in (_TYPES[setting.type],)
        if not is_right(given[setting.name])
    ]


_TYPES: Final[Mapping[Any, tuple[Callable[[Any], bool], str]]] = {
    str: (lambda value: isinstance(value, str) and bool(value), "a text"),
    bool: (lambda value: isinstance(value, bool), "True or False"),
    int: (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "a whole number, 0 or more",
    ),
    float: (is_seconds, "a number of seconds, 0 or more"),
}


def _check_values(given: dict[str, Any]) -> list[CheckMessage]:
    found = [*_check_times(given), *_check_keeping(given), *_check_layer(given.get("CHANNEL_LAYER", "default"))]
    if given.get("DATABASE", "default") not in settings.DATABASES:
        found.append(Error("LIVEJOBS['DATABASE'] names no database in DATABASES.", id="livejobs.E003"))
    if given.get("NAMESPACE") and not re.fullmatch(NAMESPACE_PATTERN, given["NAMESPACE"]):
        words = "1 to 32 letters, digits, - and _"
        found.append(Error(f"LIVEJOBS['NAMESPACE'] must be {words}, not {given['NAMESPACE']!r}.", id="livejobs.E012"))
    return found


def _check_layer(alias: str) -> list[CheckMessage]:
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if alias not in layers:
        return [
            Error(
                "Live updates need a channel layer: CHANNEL_LAYERS has no entry for LIVEJOBS['CHANNEL_LAYER'].",
                hint="Use channels_redis.pubsub.RedisPubSubChannelLayer.",
                id="livejobs.E004",
            )
        ]
    if layers[alias].get("BACKEND") == "channels_redis.core.RedisChannelLayer":
        return [
            Error(
                "channels_redis.core.RedisChannelLayer drops messages silently; live updates need the pub/sub layer.",
                hint="Set BACKEND to channels_redis.pubsub.RedisPubSubChannelLayer.",
                id="livejobs.E005",
            )
        ]
    return []


def _check_pool() -> list[CheckMessage]:
    pool = str(getattr(publishing.celery_app().conf, "worker_pool", "prefork"))
    if any(word in pool for word in (*POOLS, "processes")):  # the last is another word for prefork
        return []
    return [
        Error(
            f"Live jobs run in Celery's prefork, threads and solo pools, not in {pool}.",
            hint="Set worker_pool to prefork; threads and solo can stop only jobs that look up.",
            id="livejobs.E006",
        )
    ]


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
