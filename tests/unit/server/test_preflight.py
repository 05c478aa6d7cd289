"""The first part of every start: what it refuses, in which words, and what it leaves for the supervisor."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import django.db
import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import ConnectionHandler

from livejobs.server import database_config, preflight
from livejobs.server.environment import Environment
from livejobs.server.failures import StartError
from livejobs.server.readiness import read_mark
from tests.support.rows import claimed, read

OUTSIDE = "postgresql://user:secret@host/jobs"


@pytest.fixture
def refused() -> Iterator[str]:
    """The address of a port where nobody listens, and nobody else can."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*bound.getsockname())


@pytest.fixture
def runtime(monkeypatch, tmp_path: Path) -> Path:
    """The runtime folder of a part that has nothing outside and, being a part of this process, Django already."""
    monkeypatch.setenv("LIVEJOBS_RUNTIME", str(tmp_path))
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(preflight, "_set_up_django", lambda: None)
    return tmp_path


def refusal(url: str) -> str:
    """The sentence for which this Redis is not used."""
    with pytest.raises(StartError) as caught:
        preflight.check_redis(url)
    sentence = str(caught.value)
    assert "secret" not in sentence
    assert "REDIS_URL" in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


# ---------------------------------------------------------------- Redis


def test_without_a_redis_outside_there_is_nothing_to_check():
    preflight.check_redis("")


def test_a_redis_that_answers_is_fine(valkey):
    preflight.check_redis(f"unix://{valkey.socket}")


@pytest.mark.parametrize("scheme", ["redis", "valkey", "rediss"])
def test_where_nobody_listens_is_said_without_the_password(refused, scheme):
    sentence = refusal(f"{scheme}://user:secret@{refused}/3?password=secret")

    assert sentence.startswith(f"REDIS_URL: {scheme}://{refused}/3 cannot be used: ")
    assert "refused" in sentence


def test_a_socket_that_is_not_there_is_named(tmp_path):
    sentence = refusal(f"unix://user:secret@{tmp_path}/v.sock?password=secret")

    assert sentence.startswith(f"REDIS_URL: unix://{tmp_path}/v.sock cannot be used: ")


def test_an_option_that_cannot_be_read_is_named(refused):
    assert "socket_timeout" in refusal(f"redis://:secret@{refused}?socket_timeout=soon")


def test_an_option_that_nobody_knows_is_said(refused):
    assert "foo" in refusal(f"redis://:secret@{refused}/0?foo=x")


@pytest.mark.parametrize(
    "url", ["http://user:secret@host", "redis://:secret@host:many", "redis://:secret@host/name", "secret"]
)
def test_what_is_no_url_of_a_redis_is_refused(url):
    refusal(url)


def test_one_that_does_not_let_us_in_says_so():
    """A server that answers everything with a refusal."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            with server.accept()[0] as client:
                while client.recv(4096):
                    client.sendall(b"-NOAUTH Authentication required.\r\n")

        thread = Thread(target=refuse)
        thread.start()
        sentence = refusal(f"redis://127.0.0.1:{server.getsockname()[1]}")
        thread.join(10)

    assert sentence.endswith("cannot be used: Authentication required.")


# ---------------------------------------------------------------- the database


def use(monkeypatch, url: str, data: Path) -> Environment:
    """Let the connection be to this database, until the end of the test."""
    handler = ConnectionHandler({"default": database_config.configuration(url, data)})
    monkeypatch.setattr(django.db, "connection", handler["default"])
    return Environment(data=data, database_url=url)


@pytest.mark.django_db
def test_a_database_that_can_be_opened_is_fine(tmp_path):
    preflight.check_database(Environment(data=tmp_path))


@pytest.mark.django_db
def test_a_file_that_cannot_be_opened_is_named(monkeypatch, tmp_path):
    environment = use(monkeypatch, "", tmp_path / "missing")

    with pytest.raises(StartError) as caught:
        preflight.check_database(environment)

    path = tmp_path / "missing" / "livejobs.sqlite3"
    assert str(caught.value) == f"The database {path} cannot be used: unable to open database file."


@pytest.mark.django_db
def test_a_database_outside_that_does_not_answer_is_named_without_its_password(monkeypatch, tmp_path, refused):
    environment = use(monkeypatch, f"postgresql://user:secret@{refused}/jobs?application_name=secret", tmp_path)

    with pytest.raises(StartError) as caught:
        preflight.check_database(environment)

    sentence = str(caught.value)
    assert sentence.startswith(f"The database postgresql://{refused}/jobs cannot be used: ")
    assert "secret" not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\nsecond"), "first."),
        (ValueError("A  wide\tone."), "A wide one."),
        (TimeoutError(), "TimeoutError."),
        (ValueError("\nsecond"), "ValueError."),
    ],
)
def test_of_an_error_one_line_is_told(error, line):
    assert preflight._first_line(error) == line


@pytest.mark.django_db
def test_tables_that_are_up_to_date_are_left_alone(django_assert_max_num_queries):
    with django_assert_max_num_queries(4):
        assert preflight.migrate() == 0


@pytest.mark.django_db(transaction=True)
def test_what_is_missing_is_migrated():
    missing = ("admin", "0003_logentry_add_action_flag_choices")  # a last one, which changes no table
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied(*missing)

    assert preflight.migrate() == 1

    assert missing in recorder.applied_migrations()
    assert preflight.migrate() == 0


# ---------------------------------------------------------------- jobs


@pytest.mark.django_db
def test_what_a_killed_server_left_running_is_queued_again(tmp_path):
    job, _ = claimed()

    assert preflight.requeue(Environment(data=tmp_path)) == 1
    assert read(job).state == "queued"
    assert preflight.requeue(Environment(data=tmp_path)) == 0


@pytest.mark.django_db
def test_in_a_database_outside_others_may_be_at_work(tmp_path):
    job, _ = claimed()

    assert preflight.requeue(Environment(data=tmp_path, database_url=OUTSIDE)) == 0
    assert read(job).state == "running"


# ---------------------------------------------------------------- the whole


@pytest.mark.django_db
def test_when_all_is_well_it_leaves_what_it_found(runtime, jobs):
    job, _ = claimed()

    assert preflight.main() == 0

    assert read_mark(runtime, preflight.PART, "ready") == {"applied": 0, "requeued": 1}
    assert read_mark(runtime, preflight.PART, "failed") is None
    assert read(job).state == "queued"


def test_when_something_is_wrong_it_leaves_the_sentence(runtime, monkeypatch, refused):
    monkeypatch.setenv("REDIS_URL", f"redis://:secret@{refused}")

    assert preflight.main() == 1

    mark = read_mark(runtime, preflight.PART, "failed")
    assert mark is not None
    assert mark["sentence"].startswith(f"REDIS_URL: redis://{refused} cannot be used: ")
    assert "secret" not in mark["sentence"]
    assert read_mark(runtime, preflight.PART, "ready") is None


@pytest.mark.django_db
def test_when_the_database_is_wrong_nothing_is_done_to_it(runtime, monkeypatch, tmp_path):
    use(monkeypatch, "", tmp_path / "missing")
    monkeypatch.setenv("LIVEJOBS_DATA", str(tmp_path / "missing"))

    assert preflight.main() == 1

    mark = read_mark(runtime, preflight.PART, "failed")
    assert mark is not None
    assert str(tmp_path / "missing" / "livejobs.sqlite3") in mark["sentence"]
