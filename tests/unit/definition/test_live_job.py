"""`@live_job`: what it makes of a function, what it refuses, and how a job is started from it."""

from __future__ import annotations

import functools
import inspect
import pickle
import re
import subprocess
import sys
import textwrap
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

import livejobs
from livejobs import LiveJob, live_job
from livejobs.definition import Options
from livejobs.errors import DefinitionError, InvalidError, LivejobsError, ResultError, TooLargeError, UnsupportedError

ROOT = Path(__file__).parents[3]


@live_job(expose=True)
def kept(n: int = 1) -> int:
    """Be found again by pickle."""
    return n + 1


def export(month: date, rows: int = 10, *, dry: bool = False) -> dict[str, Any]:
    """Export orders.

    One month at a time.
    """
    return {"month": month, "rows": rows, "dry": dry}


@pytest.fixture
def started(monkeypatch):
    """What was handed to the verb that starts jobs."""
    calls: list[Any] = []

    def start(task, params, /, *, queue=None, run_at=None):
        calls.append((task, params, queue) if run_at is None else (task, params, queue, run_at))
        return SimpleNamespace(id=len(calls))

    monkeypatch.setattr(LiveJob, "starter", start)
    return calls


# ---------------------------------------------------------------- the function stays a function


def test_called_directly_it_is_just_the_function(started):
    job: Any = LiveJob(export)

    assert job(date(2026, 10, 1), dry=True) == {"month": date(2026, 10, 1), "rows": 10, "dry": True}
    assert job("no date at all")["month"] == "no date at all"  # as with any function, nobody checks
    assert started == []


def test_it_looks_like_the_function():
    job = LiveJob(export)

    assert job.__name__ == "export"
    assert job.__doc__ == export.__doc__
    assert job.__module__ == __name__
    assert inspect.signature(job) == inspect.signature(export)
    assert job.func is job.__wrapped__ is export
    assert repr(job) == f"<LiveJob {__name__}.export>"
    assert callable(job)
    assert not inspect.iscoroutinefunction(job)


def test_it_is_pickled_by_reference():
    assert pickle.loads(pickle.dumps(kept)) is kept


def test_what_people_see_of_it():
    job = LiveJob(export)

    assert job.name == f"{__name__}.export"
    assert job.title == "Export"
    assert job.doc == "Export orders.\n\nOne month at a time."
    assert job.options == Options()
    assert job.required == ("month",)
    assert list(job.schema["properties"]) == ["month", "rows", "dry"]


def test_every_option_is_kept():
    def permission(user: Any, params: Any) -> bool:
        return True

    job = LiveJob(export, title=" Orders ", queue="slow", max_losses=0, expose=True, permission=permission)

    assert (job.title, job.options.queue, job.options.max_losses, job.options.expose) == ("Orders", "slow", 0, True)
    assert job.options.permission is permission
    assert LiveJob(export, permission="shop.export").options.permission == "shop.export"


@pytest.mark.parametrize(("name", "title"), [("count_words", "Count words"), ("a", "A"), ("_", "_"), ("__x", "X")])
def test_a_title_is_the_name_in_words(name, title):
    def job() -> None: ...

    job.__name__ = name

    assert LiveJob(job).title == title


def test_a_job_without_docstring_has_no_doc():
    def job(): ...

    assert LiveJob(job).doc == ""


def test_a_wrapped_function_is_asked_for_what_it_wraps():
    def announced(func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            return func(*args, **kwargs)

        return wrapper

    job = LiveJob(announced(export))

    assert list(job.schema["properties"]) == ["month", "rows", "dry"]
    assert job.arguments({"month": "2026-10-31"})["month"] == date(2026, 10, 31)


# ---------------------------------------------------------------- decorating


def test_decorated_bare_and_with_options(jobs):
    @live_job
    def bare(): ...

    @live_job()
    def called(): ...

    @live_job(title="Titled")
    def titled(): ...

    assert [job.name.rpartition(".")[2] for job in jobs] == ["bare", "called", "titled"]
    assert titled.title == "Titled"


def test_names_are_short_under_up(jobs):
    jobs.short_names = True

    @live_job
    def sec3(): ...

    assert sec3.name == "sec3"
    assert jobs.get("sec3") is sec3


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"title": 3}, "title must be text"),
    ({"queue": "a b"}, "queue='a b' is no queue; a queue's name has letters, digits, `_`, `.` and `-` only"),
    ({"queue": ""}, "queue='' is no queue"),
    ({"queue": "q" * 256}, "is no queue"),
    ({"queue": 3}, "queue=3 is no queue"),
    ({"backoff": -1}, "backoff must be a number of seconds, 0 or more"),
    ({"backoff": "1"}, "backoff must be a number of seconds, 0 or more"),
    ({"backoff_max": float("nan")}, "backoff_max must be a number of seconds, 0 or more"),
    ({"retry_on": "ValueError"}, "retry_on must be an exception class, or a tuple of them"),
    ({"retry_on": [ValueError]}, "retry_on must be an exception class, or a tuple of them"),
    ({"give_up_on": (ValueError, 3)}, "give_up_on must be an exception class, or a tuple of them"),
    ({"retries": -1}, "retries must be a whole number, 0 or more"),
    ({"retries": True}, "retries must be a whole number, 0 or more"),
    ({"max_losses": -1}, "max_losses must be a whole number, 0 or more"),
    ({"max_losses": 1.5}, "max_losses must be a whole number, 0 or more"),
    ({"max_losses": 2**31}, "max_losses must be a whole number, 0 or more"),
    ({"timeout": "5"}, "timeout must be a number of seconds, more than 0"),
    ({"timeout": 0}, "timeout must be a number of seconds, more than 0"),
    ({"timeout": float("inf")}, "timeout must be a number of seconds, more than 0"),
    ({"expose": 1}, "expose must be True or False"),
    ({"permission": 7}, "permission must be the name of a Django permission, or a callable of (user, params)"),
]


@pytest.mark.parametrize(("options", "why"), OPTIONS)
def test_an_option_that_is_not_right_is_refused(options, why, jobs):
    with pytest.raises(DefinitionError, match=re.escape(why)) as caught:
        live_job(**options)(export)

    assert sentence_about(caught.value, "export")
    assert len(jobs) == 0


def test_an_option_nobody_knows_is_said_with_those_that_are_known():
    with pytest.raises(DefinitionError, match="there is no option colour; there are title, queue, retries,") as caught:
        live_job(colour="red")(export)  # type: ignore[call-overload]
    assert sentence_about(caught.value, "export")


def test_a_title_by_position_is_explained():
    with pytest.raises(DefinitionError, match=re.escape("write @live_job(title='Export')")):
        live_job("Export")  # type: ignore[call-overload]


# ---------------------------------------------------------------- refusals, one sentence each


def sentence_about(error: DefinitionError, name: str) -> bool:
    """One line that names file, line and function, and ends with a stop."""
    return bool(
        re.fullmatch(
            rf"tests/unit/definition/test_\w+\.py:\d+: {re.escape(name)} cannot be a live job: .+\.", str(error)
        )
    )


async def asynchronous(): ...


async def asynchronous_generator():
    yield 1


def generator():
    yield 1


class Holder:
    def method(self): ...

    @staticmethod
    def static(): ...

    @classmethod
    def of_class(cls): ...


UNSUITABLE: list[tuple[Any, str, str]] = [
    (asynchronous, "asynchronous", "it is an `async def`; write a plain `def`"),
    (asynchronous_generator, "asynchronous_generator", "it is an `async def`"),
    (generator, "generator", "it is a generator; return the result"),
    (lambda: None, "<lambda>", "a lambda has no name"),
    (Holder.method, "method", "parameter self makes it a method"),
    (Holder.static, "static", "it is defined in a class"),
    (LiveJob(export), "export", "it already is one; decorate it once"),
]


@pytest.mark.parametrize(("func", "name", "why"), UNSUITABLE, ids=[name for _, name, _ in UNSUITABLE])
def test_what_is_no_plain_function_is_refused(func, name, why, jobs):
    with pytest.raises(DefinitionError) as caught:
        live_job(func)

    assert sentence_about(caught.value, name), str(caught.value)
    assert why in str(caught.value)


@pytest.mark.parametrize("thing", [Holder, len, Holder(), 3, functools.partial(export, rows=1), Holder.of_class])
def test_what_is_no_function_at_all_is_refused(thing, jobs):
    with pytest.raises(DefinitionError, match=r"cannot be a live job: .+\.$"):
        live_job(thing)


# ---------------------------------------------------------------- starting


def test_delay_starts_a_job_and_returns_it(started):
    job: Any = LiveJob(export)

    row = job.delay("2026-10-31", rows=5)

    assert row.id == 1
    assert started == [(job, {"month": "2026-10-31", "rows": 5}, None)]


def test_apply_async_is_celerys_other_convention(started):
    job = LiveJob(export)

    job.apply_async(("2026-10-31",), {"rows": 5})
    job.apply_async(kwargs={"month": "2026-10-31"}, queue="slow")
    job.apply_async(kwargs={"month": "2026-10-31"}, countdown=None, eta=None)

    assert [(params, queue) for _, params, queue in started] == [
        ({"month": "2026-10-31", "rows": 5}, None),
        ({"month": "2026-10-31"}, "slow"),
        ({"month": "2026-10-31"}, None),
    ]


def test_apply_async_takes_a_time(started):
    job, moment = LiveJob(export), datetime(2026, 10, 31, tzinfo=UTC)

    job.apply_async(("2026-10-31",), countdown=90)
    job.apply_async(("2026-10-31",), eta=moment, queue="slow")

    assert [(queue, run_at) for _, _, queue, run_at in started] == [(None, timedelta(seconds=90)), ("slow", moment)]


@pytest.mark.parametrize(
    "options",
    [{"countdown": "5"}, {"countdown": float("inf")}, {"eta": 5}, {"countdown": 1, "eta": datetime(2026, 1, 1)}],
)
def test_apply_async_refuses_what_is_no_time(options, started):
    with pytest.raises(UnsupportedError, match=r"export\.apply_async\(.*\) .+\.$"):
        LiveJob(export).apply_async(("2026-10-31",), **options)
    assert started == []


@pytest.mark.parametrize("option", ["link", "expires", "retry", "task_id", "priority"])
def test_apply_async_refuses_what_it_would_not_do(option, started):
    with pytest.raises(UnsupportedError, match=rf"export\.apply_async\({option}=\.\.\.\) is not supported; .+\.$"):
        LiveJob(export).apply_async(None, {}, **{option: 1})
    assert started == []


@pytest.mark.parametrize("queue", ["a b", "", 3])
def test_apply_async_refuses_what_is_no_queue(queue, started):
    with pytest.raises(UnsupportedError, match="is no queue"):
        LiveJob(export).apply_async(kwargs={}, queue=queue)
    assert started == []


def test_an_exception_is_worth_retrying_unless_the_task_says_otherwise():
    plain = LiveJob(export, retries=1)
    picky = LiveJob(export, retries=1, retry_on=(OSError, SystemExit), give_up_on=FileNotFoundError)

    assert [plain.is_worth_retrying(error) for error in (ValueError(), SystemExit())] == [True, False]
    found = [picky.is_worth_retrying(error) for error in (OSError(), FileNotFoundError(), ValueError(), SystemExit())]
    assert found == [True, False, False, True]


def test_the_wait_before_a_retry_doubles_up_to_the_longest():
    job, defaults = LiveJob(export), {"backoff": 5.0, "backoff_max": 100.0}

    assert [job.wait_before_retry(n, 0.5, **defaults) for n in (0, 1, 2, 5, 10_000)] == [5, 10, 20, 100, 100]
    assert [job.wait_before_retry(1, chance, **defaults) for chance in (0, 1)] == [7.5, 12.5]
    own = LiveJob(export, backoff=1, backoff_max=3)
    assert [own.wait_before_retry(n, 0.5, **defaults) for n in (0, 1, 2)] == [1, 2, 3]


@pytest.mark.parametrize("method", ["s", "si", "signature", "subtask", "map", "starmap", "chunks", "retry", "apply"])
def test_celerys_other_methods_say_what_to_do_instead(method):
    with pytest.raises(UnsupportedError, match=rf"^export\.{method}\(\) .+\.$"):
        getattr(LiveJob(export), method)(1, two=2)


def test_more_or_doubled_arguments_are_refused(started):
    job: Any = LiveJob(export)

    with pytest.raises(InvalidError, match=r"export\(\) takes at most 2 positional arguments; 3 were given"):
        job.delay("2026-10-31", 1, True)
    with pytest.raises(InvalidError, match=r"export\(\) got month twice"):
        job.delay("2026-10-31", month="2026-10-31")
    assert started == []


def test_without_an_app_to_run_it_a_start_says_what_is_needed(monkeypatch):
    monkeypatch.setattr(LiveJob, "starter", None)

    with pytest.raises(LivejobsError, match=r"needs a running Django app .+, or `livejobs up`"):
        kept.delay()


def test_the_verbs_are_there_and_nothing_else_is():
    from livejobs import actions

    for verb in ("start", "start_many", "cancel", "retry", "astart", "acancel", "aretry"):
        assert getattr(livejobs, verb) is getattr(actions, verb)
    assert set(livejobs.__all__) <= {*dir(livejobs), *livejobs._VERBS}
    with pytest.raises(AttributeError, match="has no attribute 'stop'"):
        livejobs.stop  # noqa: B018


@pytest.mark.django_db(transaction=True)
class TestOnADatabase:
    """Each way of starting makes a row, or refuses before anything is stored."""

    @pytest.fixture(autouse=True)
    def _hints(self, monkeypatch):
        """Hints after the commit go nowhere: there is no broker and nobody to see."""
        from livejobs import transitions

        monkeypatch.setattr(transitions, "SUBSCRIBERS", [])

    def test_every_way_makes_a_queued_row(self):
        from livejobs.models import Job

        rows = [
            kept.delay(2),
            kept.apply_async(kwargs={"n": "2"}),
            livejobs.start(kept, {"n": 2}),
            livejobs.start(kept.name, {"n": 2}),
        ]

        assert [(row.task, row.params, row.state) for row in rows] == [(kept.name, {"n": 2}, "queued")] * 4
        assert Job.objects.count() == 4

    async def test_astart_makes_one_too(self):
        row = await livejobs.astart(kept, {"n": 2})
        await sync_to_async(connections.close_all)()  # of the thread that did it

        assert (row.task, row.params, row.state) == (kept.name, {"n": 2}, "queued")

    def test_what_is_wrong_is_said_field_by_field_and_nothing_is_stored(self):
        from livejobs.models import Job

        for start in (
            lambda: kept.delay(n="many"),  # type: ignore[arg-type]
            lambda: kept.apply_async(kwargs={"n": "many"}),
            lambda: livejobs.start(kept, {"n": "many"}),
        ):
            with pytest.raises(InvalidError) as caught:
                start()
            assert caught.value.fields == {"n": "Must be a whole number."}
        with pytest.raises(InvalidError) as caught:
            livejobs.start(kept, {"n": 1.5, "m": 1})
        assert caught.value.fields == {
            "m": "There is no parameter m; this task takes n.",
            "n": "Must be a whole number.",
        }
        assert not Job.objects.exists()


# ---------------------------------------------------------------- params and result, by way of the definition


def test_validate_gives_json_and_arguments_give_types():
    job = LiveJob(export)

    stored = job.validate({"month": date(2026, 10, 31)})

    assert stored == {"month": "2026-10-31", "rows": 10, "dry": False}
    assert job.arguments(stored) == {"month": date(2026, 10, 31), "rows": 10, "dry": False}
    with pytest.raises(TooLargeError):
        job.validate({"month": "2026-10-31"}, max_bytes=10)


def test_a_result_is_made_json():
    job = LiveJob(export)

    assert job.dump_result({"day": date(2026, 10, 31)}) == {"day": "2026-10-31"}
    with pytest.raises(ResultError, match="too large"):
        job.dump_result("long", max_bytes=3)


# ---------------------------------------------------------------- typing survives


def test_typing_survives_the_decorator(tmp_path):
    """What mypy, strict, sees of a file of jobs: parameters and result of the function, and a row of `.delay`."""
    (tmp_path / "typed.py").write_text(
        textwrap.dedent("""\
        from typing import Literal

        from livejobs import Text, current_job, live_job


        @live_job
        def add(a: int, b: int = 1) -> int:
            return a + b


        @live_job(title="Write")
        def write(text: Text, form: Literal["csv", "xlsx"] = "csv") -> dict[str, str]:
            for number in current_job().track([1, 2]):
                reveal_type(number)
            return {form: text.upper()}


        reveal_type(add(1))
        reveal_type(write("x"))
        reveal_type(add.delay)
        reveal_type(add.title)
        add("one")
        add(1, c=2)
        write.delay("x", form="pdf")
        add.delay()
        """)
    )
    # what others wrote is left out: that makes it twice as fast
    (tmp_path / "mypy.ini").write_text(
        "[mypy]\nstrict = True\nfollow_imports = silent\n"
        "[mypy-django.*,celery.*,channels.*,redis.*,asgiref.*,orjson.*,pydantic.*,pydantic_core.*]\n"
        "follow_imports = skip\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "typed.py"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip

    said: dict[int, str] = {}
    for number, kind, text in re.findall(r"^typed\.py:(\d+): (error|note): (.*)$", done.stdout, re.MULTILINE):
        said.setdefault(int(number), f"{kind}: {text}")
    assert said.pop(14) == 'note: Revealed type is "int"', done.stdout
    assert said.pop(18) == 'note: Revealed type is "int"'
    assert said.pop(19) == 'note: Revealed type is "dict[str, str]"'
    assert said.pop(20) == 'note: Revealed type is "def (a: int, b: int =) -> livejobs.models.Job"'
    assert said.pop(21) == 'note: Revealed type is "str"'
    assert 'has incompatible type "str"; expected "int"' in said.pop(22)
    assert 'Unexpected keyword argument "c"' in said.pop(23)
    assert "incompatible type \"Literal['pdf']\"" in said.pop(24)
    assert 'Missing positional argument "a"' in said.pop(25)
    assert said == {}
