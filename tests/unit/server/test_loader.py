"""Somebody's file of functions, or a dotted module: its jobs, or one plain sentence that says why not."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from livejobs.definition import LiveJob
from livejobs.errors import DefinitionError
from livejobs.server.loader import LoadError, load, sources

pytestmark = pytest.mark.usefixtures("imports")

JOB = """
from livejobs import live_job

@live_job
def hello(name: str = "world") -> str:
    return f"Hello, {name}!"
"""


@pytest.fixture(autouse=True)
def here(jobs, monkeypatch, tmp_path: Path) -> Path:
    """An empty folder, where we are."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, source: str = JOB) -> Path:
    path = Path(name).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source))
    return path


def refusal(tasks: str) -> str:
    """The sentence for which this is not loaded."""
    with pytest.raises(LoadError) as caught:
        load(tasks)
    sentence = str(caught.value)
    assert re.fullmatch(r"[^\n]+[^.\n]\.", sentence), sentence
    return sentence


# ---------------------------------------------------------------- finding


@pytest.mark.parametrize("name", ["tasks.py", "my-jobs.py", "jobs.v2.py", "jobs", "deeper/folder/with space/tasks.py"])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_file_is_loaded_whatever_its_name(name, absolute, jobs):
    path = write(name)

    (job,) = load(str(path) if absolute else name)

    assert job.name == "hello"
    assert jobs.get("hello") is job
    assert job(name="Ada") == "Hello, Ada!"


@pytest.mark.parametrize("module", ["tasks", "shop.jobs", "shop.deeper.jobs"])
def test_a_dotted_module_is_found_from_where_we_are(module, jobs):
    path = write(module.replace(".", "/") + ".py")
    for folder in path.relative_to(Path.cwd()).parents:
        if str(folder) != ".":
            (folder / "__init__.py").touch()

    (job,) = load(module)

    assert job.name == "hello"
    assert job.func.__module__ == module


def test_a_module_may_import_its_package():
    write("shop/__init__.py", "GREETING = 'Hi'")
    write(
        "shop/jobs.py",
        """
        from livejobs import live_job
        from . import GREETING

        @live_job
        def hello() -> str:
            return GREETING
        """,
    )

    (job,) = load("shop.jobs")

    assert job() == "Hi"


def test_a_package_may_hold_jobs_itself():
    write("shop/__init__.py")

    (job,) = load("shop")

    assert job.func.__module__ == "shop"


def test_what_was_imported_before_counts_too(jobs):
    write("tasks.py")

    first = load("tasks")

    assert load("tasks") == first
    assert load("tasks.py") == first
    assert len(jobs) == 1


def test_a_link_is_followed_to_its_neighbours():
    write("real/helpers.py", "def double(n): return 2 * n")
    write(
        "real/tasks.py",
        """
        from livejobs import live_job
        import helpers

        @live_job
        def double(n: int) -> int:
            return helpers.double(n)
        """,
    )
    Path("link.py").symlink_to("real/tasks.py")

    (job,) = load("link.py")

    assert job(4) == 8


# ---------------------------------------------------------------- a module like any other


def test_the_module_is_one_like_any_other():
    write(
        "tasks.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass
        from enum import Enum
        from livejobs import live_job

        class Size(Enum):
            SMALL = "small"

        @dataclass
        class Row:
            size: Size

        @live_job
        def measure(size: Size = Size.SMALL) -> Row:
            return Row(size)
        """,
    )

    (job,) = load("tasks.py")

    module = sys.modules["tasks"]
    assert module.__file__ == str(Path("tasks.py").absolute())
    assert pickle.loads(pickle.dumps(job)) is job
    row = job(**job.arguments({"size": "small"}))
    assert pickle.loads(pickle.dumps(row)) == row
    assert "def measure" in inspect.getsource(job.func)
    assert job.dump_result(row) == {"size": "small"}


def test_its_neighbours_may_bring_jobs_and_import_it_in_turn(jobs):
    write("tasks.py", JOB + "\nimport more\nfrom more import bye\n")
    write("more.py", JOB.replace("hello", "bye").replace("Hello", "Bye") + "\nimport tasks\nagain = tasks.hello\n")

    found = load("tasks.py")

    assert [job.name for job in found] == ["hello", "bye"]
    assert sys.modules["more"].again is found[0]
    assert len(jobs) == 2


@pytest.mark.parametrize("name", ["celery", "django", "queue", "json", "livejobs", "colorsys", "__main__", "pytest"])
def test_a_file_named_as_another_module_takes_nobodys_place(name):
    before = sys.modules.get(name)
    write(f"{name}.py")

    (job,) = load(f"{name}.py")

    assert job() == "Hello, world!"
    assert sys.modules.get(name) is before
    assert job.func.__module__ == f"livejobs_file_{name}"
    assert pickle.loads(pickle.dumps(job)) is job


def test_two_files_of_one_name_are_two_modules(jobs):
    one, two = write("one/tasks.py"), write("two/tasks.py", JOB.replace("hello", "bye"))

    load(str(one))
    load(str(two))

    assert {job.name for job in jobs} == {"hello", "bye"}
    assert jobs.get("hello") is not None
    assert load(str(one))[0] is jobs.get("hello")


def test_neighbours_named_as_other_modules_take_nobodys_place():
    """In a fresh process, where nothing is loaded yet that they could be mistaken for."""
    for name in ("colorsys", "celery", "redis", "logging", "queue"):
        write(f"{name}.py", "raise RuntimeError('this is the wrong one')")
    write(
        "tasks.py",
        JOB
        + """
import colorsys, celery, redis, logging, queue
assert all("packages" in m.__file__ or "lib" in m.__file__ for m in (colorsys, celery, redis, logging, queue))
""",
    )
    look = "from livejobs.server.loader import load; print(load('tasks.py')[0].name)"

    done = subprocess.run([sys.executable, "-P", "-W", "error", "-c", look], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_neither_django_nor_celery_nor_settings_are_needed():
    write("tasks.py")
    look = (
        "import sys; from livejobs.server.loader import load; print(load('tasks.py')[0]('Ada'));"
        "print({'django', 'celery'} & set(sys.modules))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", look], env=environment, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (0, "Hello, Ada!\nset()\n"), done.stderr


# ---------------------------------------------------------------- functions that are refused, and served all the same

REFUSED: list[tuple[str, str]] = [
    ("@live_job\ndef b(rows: list): ...", r"tasks\.py:8: b cannot be a live job: parameter rows has the .+"),
    ("@live_job\nasync def b(): ...", r"tasks\.py:8: b cannot be a live job: it is an `async def`; .+"),
    ("@live_job\ndef hello(): ...", r"tasks\.py:8: hello cannot .+ another job named hello, at tasks\.py:4; .+"),
    ("@live_job('Hi')\ndef b(): ...", r"tasks\.py:8: b cannot .+: @live_job\('Hi'\) is not right; write .+"),
    ("@live_job(colour=1)\ndef b(): ...", r"tasks\.py:8: b cannot .+: there is no option colour; there are .+"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_a_function_that_cannot_be_served_does_not_stop_the_others(number, jobs):
    source, expected = REFUSED[number]
    write("tasks.py", JOB + "\n" + source)

    assert [job.name for job in load("tasks.py")] == ["hello"]

    assert [job.name for job in jobs] == ["hello"]
    (told,) = jobs.refusals
    assert re.fullmatch(expected, told), told


def test_a_function_that_was_refused_stays_one(jobs):
    write(
        "tasks.py", JOB + "\n@live_job\ndef total(rows: list) -> int:\n    return sum(rows)\n\nthree = total([1, 2])\n"
    )

    load("tasks.py")

    assert inspect.isfunction(sys.modules["tasks"].total)
    assert sys.modules["tasks"].three == 3


FAULTY = """
from livejobs import live_job

@live_job
def fine() -> None: ...

@live_job(colour="red", retries=-1)
def a(rows: list, cells: set) -> None: ...

@live_job
async def b() -> None: ...
"""


def test_all_faults_of_a_file_are_found_and_all_of_a_function(jobs):
    write("tasks.py", FAULTY)

    load("tasks.py")

    first, second = jobs.refusals
    assert first.startswith("tasks.py:7: a cannot be a live job: parameter rows has the type list; use ")
    assert " Also: parameter cells has the type set; use " in first
    assert " Also: there is no option colour; " in first
    assert first.endswith(" Also: retries must be a whole number, 0 or more.")
    assert second.startswith("tasks.py:10: b cannot be a live job: it is an `async def`; ")


@pytest.mark.parametrize(
    ("source", "strict", "last"),
    [
        (FAULTY, True, r"tasks\.py:10: b cannot .+"),
        (FAULTY.replace("@live_job\ndef fine", "\ndef fine"), False, r"tasks\.py:10: b cannot .+"),
        (FAULTY + "\n1 / 0", False, r"tasks\.py:13 raised ZeroDivisionError while it was loaded: division by zero\."),
    ],
    ids=["strict", "nothing is left", "the file breaks off"],
)
def test_where_it_is_not_loaded_every_fault_is_said(source, strict, last, jobs):
    write("tasks.py", source)

    with pytest.raises(LoadError) as caught:
        load("tasks.py", strict=strict)

    lines = str(caught.value).splitlines()
    assert lines[0] == f"tasks.py has {len(lines) - 1} faults:"
    assert lines[1].startswith("  tasks.py:7: a cannot be a live job: ")
    assert re.fullmatch(r"  " + last, lines[-1]), lines[-1]


def test_one_fault_alone_is_one_sentence_under_strict_too(jobs):
    write("tasks.py", JOB + "\n@live_job\nasync def b(): ...\n")

    with pytest.raises(LoadError, match=r"^tasks\.py:8: b cannot be a live job: it is an `async def`; [^\n]+$"):
        load("tasks.py", strict=True)


def test_in_a_project_the_first_one_is_an_exception(jobs):
    path = write("tasks.py", FAULTY)
    with pytest.raises(DefinitionError, match=r"tasks\.py:7: a cannot be a live job: "):
        exec(compile(path.read_text(), path, "exec"), {"__name__": "tasks"})
    assert jobs.refusals == []


def test_its_own_files_are_known(jobs):
    write("own/lib/site-packages/thing.py", "")
    write("more.py", "")
    write("unused.py", "")
    write(
        "tasks.py",
        "import sys\nsys.path.append('own/lib/site-packages')\nimport thing, more, json\n" + JOB,
    )

    load("tasks.py")

    assert sources("tasks.py") == [str(Path(name).absolute()) for name in ("more.py", "tasks.py")]
    assert sources("tasks") == sources("tasks.py")
    assert sources("") == []


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("tasks", "sentence"),
    [
        ("nowhere.py", "There is no file nowhere.py."),
        ("deeper/nowhere", "There is no file deeper/nowhere."),
        ("/nowhere/tasks.py", "There is no file /nowhere/tasks.py."),
        ("nowhere", "There is no file or module nowhere."),
        ("no.where.at.all", "There is no file or module no.where.at.all."),
        ("json.nowhere", "There is no file or module json.nowhere."),
        ("json.decoder.nowhere", "There is no file or module json.decoder.nowhere."),
        ("my-jobs", "There is no file or module my-jobs."),
        (".tasks", "There is no file or module .tasks."),
        ("a..b", "There is no file or module a..b."),
        ("", "There is no file or module ."),
    ],
)
def test_what_is_not_there(tasks, sentence):
    with pytest.raises(LoadError) as caught:
        load(tasks)
    assert str(caught.value) == sentence


def test_a_folder_is_no_file():
    Path("jobs").mkdir()

    assert refusal("jobs") == "jobs is a folder; name the file in it that has your @live_job functions."


BROKEN: list[tuple[str, str]] = [
    ("", r"There is no job in tasks\.py; put @live_job above a function\."),
    ("from livejobs import live_job\ndef a(): ...", r"There is no job in tasks\.py; .+"),
    ("x = 1\ndef a(:\n  pass", r"tasks\.py:2 has a syntax error: invalid syntax\."),
    ("if True:\nx = 1", r"tasks\.py:2 has a syntax error: expected an indented block after 'if' statement on line 1\."),
    ("x = '\ud800'", r"tasks\.py.* has a syntax error: .+"),
    ("x = 1\x00", r"tasks(\.py(:1)?)? has a syntax error: .*null byte.*\."),
    ("def a():\n  return 1\n\nreturn 2", r"tasks\.py:4 has a syntax error: 'return' outside function\."),
    ("x = 1\n1 / 0", r"tasks\.py:2 raised ZeroDivisionError while it was loaded: division by zero\."),
    ("\ndef a():\n  raise ValueError\na()", r"tasks\.py:3 raised ValueError while it was loaded\."),
    ("raise ValueError('two\\nlines\\n.')", r"tasks\.py:1 raised ValueError while it was loaded: two lines\."),
    ("raise ValueError('x' * 10_000)", r"tasks\.py:1 raised ValueError while it was loaded: x{299}…\."),
    ("raise ValueError('\\x00\\ud800')", r"tasks\.py:1 raised ValueError while it was loaded: ��\."),
    ("class E(Exception):\n  def __str__(self): return 1 / 0\nraise E", r"tasks\.py:3 raised E while .+: \(its .+"),
    ("import sys\nsys.exit(0)", r"tasks\.py:2 raised SystemExit while it was loaded: 0\."),
    ("import nowhere", r"tasks\.py:1 raised ModuleNotFoundError while it was loaded: No module named 'nowhere'\."),
    ("from . import a", r"tasks\.py:1 raised ImportError .+: attempted relative import with no known parent package\."),
    ("import json\njson.loads('{')", r"tasks\.py:2 raised JSONDecodeError while .+"),
    ("import helpers", r"helpers\.py:2 raised KeyError while it was loaded: 'a'\."),
    ("import bad", r"bad\.py:1 has a syntax error: .+\."),
    (JOB + "hello.delay()", r"tasks\.py:7 raised LivejobsError while it was loaded: hello cannot be started here: .+"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BROKEN)))
@pytest.mark.parametrize("tasks", ["tasks.py", "tasks"])
def test_what_is_wrong_with_it_in_one_sentence(number, tasks, jobs, monkeypatch):
    source, expected = BROKEN[number]
    monkeypatch.setattr(LiveJob, "starter", None)
    write("helpers.py", "data = {}\ndata['a']")
    write("bad.py", "def (")
    Path("tasks.py").write_bytes(source.encode("utf-8", "surrogatepass"))

    sentence = refusal(tasks)

    assert re.fullmatch(expected, sentence), sentence
    assert "tasks" not in sys.modules or "There is no job" in sentence


def test_an_error_in_an_installed_package_is_told_by_the_line_that_led_there(here):
    write(".venv/lib/python3/site-packages/thing.py", "raise OSError('no licence')")
    write("tasks.py", "import sys\nsys.path.append('.venv/lib/python3/site-packages')\nimport thing")

    assert refusal("tasks.py") == "tasks.py:3 raised OSError while it was loaded: no licence."


def test_a_package_without_jobs_is_named_by_its_place():
    write("shop/__init__.py", "")

    file = inspect.getfile(json)
    assert refusal("json") == f"There is no job in {file}; put @live_job above a function."
    Path("bare").mkdir()
    Path("empty/bare").mkdir(parents=True)
    assert refusal("empty.bare") == "There is no job in empty.bare; put @live_job above a function."


def test_a_file_that_was_mended_can_be_loaded(jobs):
    write("tasks.py", JOB + "\n1 / 0")
    refusal("tasks.py")
    jobs._jobs.clear()
    write("tasks.py")

    assert [job.name for job in load("tasks.py")] == ["hello"]


def test_ctrl_c_while_it_loads_is_no_fault_of_the_file():
    write("tasks.py", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        load("tasks.py")


@pytest.mark.parametrize("given", [None, "0"])
def test_a_console_of_rich_that_is_made_meanwhile_may_draw(given, monkeypatch):
    monkeypatch.delenv("TTY_INTERACTIVE", raising=False)
    if given is not None:
        monkeypatch.setenv("TTY_INTERACTIVE", given)
    write("tasks.py", f"from rich.console import Console\nconsole = Console()\n{JOB}")
    load("tasks.py")
    assert sys.modules["tasks"].console.is_interactive is (given is None)
    assert os.environ.get("TTY_INTERACTIVE") == given
