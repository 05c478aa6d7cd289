"""The Django project of the unit and integration tests: a small host that mounts the app under `/jobs/`.

The database is SQLite in a file (threads and processes share it), or PostgreSQL with
`LIVEJOBS_TEST_DATABASE=postgresql`. Addresses follow from one runtime folder, so that processes a test starts
with `DJANGO_SETTINGS_MODULE=tests.settings` find the same servers; `conftest.py` starts those and fills in the rest.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from livejobs import conf

# One folder per pytest process and xdist worker. It stays short: a unix socket's path has about 100 bytes.
_base = os.environ.setdefault("LIVEJOBS_TEST_RUNTIME", f"{tempfile.gettempdir()}/lj-{os.getpid()}")
RUNTIME = Path(_base) / os.environ.get("PYTEST_XDIST_WORKER", "main")

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.urls"
ASGI_APPLICATION = "tests.asgi.application"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "django.contrib.staticfiles",
    "channels",
    "livejobs",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASE = os.environ.get("LIVEJOBS_TEST_DATABASE", "sqlite")
if DATABASE not in {"sqlite", "postgresql"}:
    raise ValueError(f"LIVEJOBS_TEST_DATABASE is {DATABASE!r}; it may be sqlite or postgresql.")

DATABASES: dict[str, dict[str, Any]]
if DATABASE == "sqlite":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("LIVEJOBS_TEST_DATABASE_NAME", str(RUNTIME / "db.sqlite3")),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON",
            },
            "TEST": {"NAME": str(RUNTIME / "test.sqlite3")},
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ.get("LIVEJOBS_TEST_DATABASE_NAME", "livejobs"),
            "USER": "livejobs",
            "HOST": "127.0.0.1",
            "PORT": os.environ.get("LIVEJOBS_TEST_DATABASE_PORT", ""),
        }
    }

VALKEY_SOCKET = RUNTIME / "valkey.sock"
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [f"unix://{VALKEY_SOCKET}?db=1"]},
    }
}

CELERY_BROKER_URL = f"redis+socket://{VALKEY_SOCKET}?virtual_host=0"
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 2}

# the same before and after Django has made a database of another name for the tests
conf._DEFAULTS["NAMESPACE"] = "tests"

# Processes a test starts with LIVEJOBS_TEST_FAST=1 keep their promises ten times faster than people need them.
LIVEJOBS: dict[str, Any] = {}
if os.environ.get("LIVEJOBS_TEST_FAST") == "1":
    LIVEJOBS |= {
        "BEAT_SECONDS": 0.5,
        "STOP_RAISE_SECONDS": 0.5,
        "STOP_KILL_SECONDS": 4.0,
        "WATCHDOG_SECONDS": 6.0,  # not ten times: it must not fire where the machine is merely busy
        "SHUTDOWN_SECONDS": 0.5,
        "BACKOFF_SECONDS": 0.5,
        "DISPATCH_SECONDS": 0.2,
        "SCHEDULE_SECONDS": 0.1,
    }
