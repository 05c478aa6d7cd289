"""The host project of the chaos processes. Everything comes from the environment that `cluster.py` writes."""

from __future__ import annotations

import os

from livejobs.conf import SETTINGS
from tests.chaos import scripts
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS

SCALE = float(os.environ.get("LIVEJOBS_CHAOS_SCALE", "1"))
# What people decide, not what the promises are made of; and steps that are shorter than a second already.
UNSCALED = {"TUTORIAL_REPLAY_SECONDS", "SESSION_SECONDS", "RETRY_AFTER_SECONDS", "PRUNE_SECONDS", "BACKOFF_MAX_SECONDS"}
# The longest pause between two tries of a page to come back is a host's choice, and thirty seconds if it makes none: so
# long after an outage a page shows old rows, and says so. Ten seconds after it all rows are to be true here.
RETRY_MAX_SECONDS = 5.0


def scaled(seconds: float) -> float:
    """A time of people, divided by the scale, but never below one second."""
    return max(min(1.0, seconds), seconds / SCALE)


INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.apps.ChaosConfig"]
LIVEJOBS = {
    setting.name: scaled(setting.default)
    for setting in SETTINGS
    if setting.name.endswith("_SECONDS") and isinstance(setting.default, float) and setting.name not in UNSCALED
} | {"EXPOSE": True, "OWNERLESS_FOR_ALL": True, "RETRY_MAX_SECONDS": RETRY_MAX_SECONDS}

_database = os.environ.get("LIVEJOBS_CHAOS_DATABASE", "")  # host:port of PostgreSQL, else the path of an SQLite file
if ":" in _database:
    _host, _, _port = _database.rpartition(":")
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ.get("LIVEJOBS_CHAOS_DATABASE_NAME", "livejobs"),
            "USER": "livejobs",
            "HOST": _host,
            "PORT": _port,
            "OPTIONS": {"connect_timeout": 4},
            "CONN_HEALTH_CHECKS": True,
        }
    }
elif _database:
    DATABASES["default"] |= {"NAME": _database}

# What the browsers load, and the pages under Node: the package's own files, or a copy with a defect.
CHAOS_STATIC = os.environ.get("LIVEJOBS_CHAOS_STATIC", str(scripts.SOURCE))

CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # as the guide says: an error of the broker ends no consumer

_redis = os.environ.get("LIVEJOBS_CHAOS_REDIS", "127.0.0.1:1")
_layer = os.environ.get("LIVEJOBS_CHAOS_LAYER", _redis)
_patience = {"socket_connect_timeout": 2, "socket_timeout": 5, "health_check_interval": 10}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": f"redis://{_layer}/1", **_patience}]},
    }
}
CELERY_BROKER_URL = f"redis://{_redis}/0"
CELERY_BROKER_TRANSPORT_OPTIONS = {**_patience, "socket_keepalive": True, "visibility_timeout": 600}
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 30
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TASK_DEFAULT_QUEUE = "livejobs"
