"""System checks: settings that cannot work are said at start, each in one sentence."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from livejobs.conf import NAMES


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
