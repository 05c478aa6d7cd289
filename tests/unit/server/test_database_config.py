"""DATABASE_URL, and the SQLite file where there is none."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from livejobs.server.database_config import SQLITE_OPTIONS, configuration, title
from livejobs.server.failures import StartError

DATA = Path("/data")
POSTGRESQL = "django.db.backends.postgresql"


def test_without_a_url_it_is_a_file_in_the_data_folder():
    found = configuration("", DATA)

    assert found["ENGINE"] == "django.db.backends.sqlite3"
    assert found["NAME"] == "/data/livejobs.sqlite3"
    assert found["OPTIONS"] == SQLITE_OPTIONS
    assert found["OPTIONS"] is not SQLITE_OPTIONS  # Django puts more into it


def test_sqlite_is_opened_for_several_writers(tmp_path):
    connection = sqlite3.connect(tmp_path / "db.sqlite3")
    connection.executescript(SQLITE_OPTIONS["init_command"])

    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert (SQLITE_OPTIONS["transaction_mode"], SQLITE_OPTIONS["timeout"]) == ("IMMEDIATE", 20)
    connection.close()


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:////absolute/path.db", "/absolute/path.db"),
        ("sqlite:///with%20space.db", "with space.db"),
    ],
)
def test_a_sqlite_url(url, file):
    assert configuration(url, DATA)["NAME"] == file


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "pgsql"])
def test_a_postgresql_url(scheme):
    found = configuration(f"{scheme}://ada:secret@db.example:5433/jobs?sslmode=require", DATA)

    assert found == {
        "ENGINE": POSTGRESQL, "NAME": "jobs", "USER": "ada", "PASSWORD": "secret", "HOST": "db.example", "PORT": "5433",
        "OPTIONS": {"connect_timeout": 5, "sslmode": "require"}, "CONN_MAX_AGE": 0,
    }  # fmt: skip


def test_what_a_url_cannot_hold_is_escaped_in_it():
    found = configuration("postgresql://a%40b:p%2Fw%3A%25@host/my%20jobs", DATA)

    assert (found["USER"], found["PASSWORD"], found["NAME"]) == ("a@b", "p/w:%", "my jobs")


def test_a_socket_and_everything_else_may_stand_behind_the_question_mark():
    query = "host=/run/postgresql&user=ada&password=%2525&port=5433&connect_timeout=9"
    found = configuration(f"postgresql:///jobs?{query}", DATA)

    assert (found["HOST"], found["USER"], found["PASSWORD"], found["PORT"]) == ("/run/postgresql", "ada", "%25", "5433")
    assert found["OPTIONS"] == {"connect_timeout": "9"}
    assert configuration("postgresql://%2Frun%2Fpostgresql/jobs", DATA)["HOST"] == "/run/postgresql"


def test_what_stands_before_the_question_mark_wins():
    found = configuration("postgresql://ada:x@host:1/jobs?user=bob&password=y&port=2", DATA)

    assert (found["USER"], found["PASSWORD"], found["PORT"]) == ("ada", "x", "1")
    assert found["OPTIONS"] == {"connect_timeout": 5}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://host/jobs", "DATABASE_URL must begin with postgresql:// or sqlite://."),
        ("jobs", "DATABASE_URL must begin with postgresql:// or sqlite://."),
        ("/path/to/file", "DATABASE_URL must begin with postgresql:// or sqlite://."),
        ("postgresql://host", "DATABASE_URL must end with the name of a database."),
        ("postgresql://host/", "DATABASE_URL must end with the name of a database."),
        ("postgresql://host:port/jobs", "DATABASE_URL has no valid port number."),
        ("postgresql://host:99999/jobs", "DATABASE_URL has no valid port number."),
        ("postgresql://[::1/jobs", "DATABASE_URL has no valid port number."),
        ("sqlite://", "DATABASE_URL must name a file: sqlite:///path/to/file."),
        ("sqlite:///", "DATABASE_URL must name a file: sqlite:///path/to/file."),
    ],
)
def test_what_is_no_such_url(url, sentence):
    with pytest.raises(StartError) as caught:
        configuration(url, DATA)
    assert str(caught.value) == sentence


def test_it_is_named_without_its_password():
    assert title("", DATA) == "/data/livejobs.sqlite3"
    assert title("postgresql://ada:secret@host:1/jobs?password=secret", DATA) == "postgresql://host:1/jobs"
