"""The jobs file: when it is imported, and what is said of functions that cannot be served."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server_process import STOP_SECONDS, Server, Visitor, get
from tests.support.up import TASKS, a_server

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with a_server(tmp_path) as found:
        yield found


FAULTY = """
from livejobs import live_job

@live_job
def fine(n: int) -> int:
    return 2 * n

@live_job
def rows(rows: list, cells: set) -> None: ...

@live_job(colour="red")
async def later() -> None: ...
"""


def test_a_function_that_cannot_be_served_is_named_and_the_others_are_served(server):
    (server.folder / "tasks.py").write_text(FAULTY)
    server.start()
    visitor = Visitor(server)

    assert visitor.wait_for(visitor.start("fine", n=3), "succeeded")["result"] == 6
    told = [line for line in server.err.splitlines() if "INFO" not in line]
    assert [line[:44] for line in told] == [
        "Not served: tasks.py:8: rows cannot be a liv",
        "Not served: tasks.py:11: later cannot be a l",
    ]
    assert " Also: parameter cells has the type set; " in told[0]
    assert " Also: there is no option colour; " in told[1]
    page = html.unescape(get(server.url).text)
    assert all(line in page for line in told)
    assert server.stop() < STOP_SECONDS


@pytest.mark.parametrize(
    ("source", "arguments", "faults"),
    [
        (FAULTY, ["--strict"], ["tasks.py:8: rows cannot", "tasks.py:11: later cannot"]),
        (f"{FAULTY}\nprint(1 / 0)\n", [],
         ["tasks.py:8: rows cannot", "tasks.py:11: later cannot", "tasks.py:14 raised ZeroDivisionError"]),
    ],
    ids=["strict", "the file breaks off"],
)  # fmt: skip
def test_a_file_that_is_not_served_has_all_its_faults_listed(server, source, arguments, faults):
    (server.folder / "tasks.py").write_text(source)
    server.arguments += arguments
    server.launch()

    assert server.wait(60) == 1
    first, *others = server.err.splitlines()
    assert first == f"livejobs: tasks.py has {len(faults)} faults:"
    assert len(others) == len(faults)
    assert all(line.startswith(f"  {fault}") for line, fault in zip(others, faults, strict=True)), others
    assert server.processes() == {}


def test_a_file_is_imported_by_all_parts_at_the_same_time(server):
    """Each waits for the others inside the import: in two rounds they would wait in vain."""
    (server.folder / "tasks.py").write_text(
        f"""
import os, time
from pathlib import Path
Path(f"importing-{{os.getpid()}}").touch()
give_up_at = time.monotonic() + 30
while len(list(Path().glob("importing-*"))) < 3:
    assert time.monotonic() < give_up_at, "nobody else came"
    time.sleep(0.02)
{TASKS}"""
    )
    server.start()

    assert len(list(server.folder.glob("importing-*"))) == 3
    visitor = Visitor(server)
    assert visitor.wait_for(visitor.start("add", a=1), "succeeded")["result"] == 2
    assert server.stop() < STOP_SECONDS
    assert "Traceback" not in server.log
