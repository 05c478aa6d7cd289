"""Django's settings under `livejobs up`. What varies comes from the supervisor's environment variables."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from livejobs.server import database_config, valkey
from livejobs.server.data import secret_key
from livejobs.server.environment import FOREIGN, Environment

environment = Environment.read()
for name in FOREIGN:
    # Celery prefers these to the settings below
    os.environ.pop(name, None)

DEBUG = False
SECRET_KEY = secret_key(environment.data)
# Only names of this machine: a page elsewhere whose name is made to point here is refused.
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", environment.host]
ROOT_URLCONF = "livejobs.server.project.urls"
ASGI_APPLICATION = "livejobs.server.project.asgi.application"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "livejobs",
    "livejobs.server.project",  # after livejobs: it loads the jobs file into its registry
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ],
        },
    },
]

# A browser's session is what its jobs belong to: it stays a year, in the database. Browsers share cookies between the
# ports of a host, so the names are those of this data folder.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
_cookies = f"livejobs_{hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:8]}"
SESSION_COOKIE_NAME = f"{_cookies}_session"
SESSION_COOKIE_AGE = 365 * 24 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{_cookies}_csrf"
CSRF_COOKIE_SAMESITE = "Lax"

DATABASES = {"default": database_config.configuration(environment.database_url, environment.data)}

# Of this server alone: what is sent through a Redis outside carries it, so that servers which share one never see, take
# or delay each other's jobs. Two that are wrongly taken for one would; so the key is in it, and where the database is.
_database = DATABASES["default"]
_place = [str(_database.get(name) or "") for name in ("HOST", "PORT", "NAME")]
if _database["ENGINE"].endswith("sqlite3"):
    _place = [str(Path(_database["NAME"]).resolve())]
NAMESPACE = (
    os.environ.get("LIVEJOBS_NAMESPACE") or hashlib.sha256("\0".join([SECRET_KEY, *_place]).encode()).hexdigest()[:12]
)
_shared = bool(environment.redis_url)

# What a connection to Redis may cost when that hangs, in seconds.
REDIS_OPTIONS: dict[str, Any] = {"socket_connect_timeout": 2, "health_check_interval": 10}

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            # the core layer drops silently over its capacity and dies after some idle seconds
            "hosts": [{"address": valkey.channels_url(environment.redis), **REDIS_OPTIONS, "socket_timeout": 5}],
            **({"prefix": f"livejobs-{NAMESPACE}"} if _shared else {}),
        },
    }
}

CELERY_BROKER_URL = valkey.broker_url(environment.redis)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    **REDIS_OPTIONS,
    "socket_timeout": 5,
    "socket_keepalive": True,
    # seconds until a message that a dead worker had fetched comes back; sooner is harmless, the row decides
    "visibility_timeout": 600,
    **({"global_keyprefix": f"livejobs-{NAMESPACE}:"} if _shared else {}),
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # see PatientConsumer
CELERY_TASK_DEFAULT_QUEUE = "livejobs"
CELERY_TASK_ACKS_LATE = False  # the lease owns recovery; late acks would run long jobs twice
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False  # the row is the outbox; the dispatcher tries again
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 30  # seconds; with the default of 4 a busy machine kills children as they start
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False

LIVEJOBS: dict[str, Any] = {
    "NAMESPACE": NAMESPACE,
    "EXPOSE": True,  # whoever can reach this server owns this machine
    "OWNERLESS_FOR_ALL": True,
    "TRACEBACK_FOR_OWNER": True,
}
if environment.reload:
    LIVEJOBS["SHUTDOWN_SECONDS"] = 0.0  # what runs is released at once, and begins again with the new file

# On the terminal: what Livejobs says, and warnings of everyone else. A job's own INFO lines go to the job's log, which
# listens at the root.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s", "datefmt": "%H:%M:%S"}},
    # a client's doing, answered with close code 1007; uvicorn adds a traceback each time, so anybody could fill the log
    "filters": {
        "our_own": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: not str(record.msg).startswith("Invalid UTF-8"),
        },
        "seldom": {"()": "livejobs.server.seldom.Seldom"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "warnings": {"class": "logging.StreamHandler", "formatter": "line", "level": "WARNING"},
    },
    "root": {"level": "INFO", "handlers": ["warnings"]},
    "loggers": {
        "livejobs": {"level": "INFO", "handlers": ["console"], "propagate": False},
        "django": {"level": "WARNING", "handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},  # a 404 is no news
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # answered with 400; whoever asks could fill the log
        # a traceback of a hundred lines from each process while Valkey is away; the supervisor and the page say so too
        "channels_redis": {"level": "CRITICAL"},
        "celery": {"level": "WARNING"},
        "celery.worker.consumer.consumer": {"filters": ["seldom"]},
        "celery.task": {"level": "INFO"},  # where a job gets its logger the Celery way
        "kombu": {"level": "WARNING"},
        "uvicorn": {"level": "WARNING"},
        "uvicorn.error": {"filters": ["our_own"]},
        "asyncio": {"level": "WARNING"},
    },
}
