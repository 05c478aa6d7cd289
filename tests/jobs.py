"""Jobs that the tests run: each ends, hangs or breaks in its own way."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import connection, connections, transaction

from livejobs import current_job, live_job


@live_job(expose=True)
def at_once() -> str:
    """Return at once."""
    return "done"


@live_job(expose=True)
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@live_job
def count_up(to: int = 5) -> dict[str, int]:
    """Report progress and log."""
    job = current_job()
    for number in job.track(range(to)):
        print("line", number)
        job.log(f"logged {number}", level="warning")
    return {"counted": to}


@live_job
def fails() -> None:
    """Raise."""
    raise ValueError("bad row 7")


@live_job
def wait_in_sleep(seconds: float = 60) -> str:
    """Wait in one call that looks at nothing."""
    print("waiting")
    time.sleep(seconds)
    return "slept"


@live_job
def wait_in_query() -> str:
    """Wait inside one query of the ORM's connection."""
    print("waiting")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_sleep(60)")
        else:
            cursor.execute(
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000000000)"
                " SELECT max(x) FROM n"
            )
    return "queried"


@live_job
def wait_in_subprocess() -> str:
    """Wait for another process."""
    print("waiting")
    subprocess.run(["sleep", "60"], check=True)
    return "waited"


@live_job
def needs_a_program() -> None:
    """Run one that must succeed."""
    print("waiting")
    subprocess.run(["sleep", "60"], check=True)


@live_job
def wait_by_steps(seconds: float = 60) -> int:
    """Wait in steps that can be stopped between."""
    steps = 0
    print("waiting")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        steps += 1
        current_job().progress(steps)
        time.sleep(0.01)
    return steps


@live_job
def cleans_up(mark: str) -> None:
    """Wait in sleep, swallow every Exception, and leave a mark in `finally`."""
    try:
        while True:
            try:
                print("waiting")
                time.sleep(60)
            except Exception:
                print("swallowed")
    finally:
        Path(mark).write_text("cleaned")


def agent_pid() -> int:
    """The process that looks after this job: the parent of our zygote."""
    return int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])


def end_the_agent() -> None:
    """Take the worker child down, and with it this process."""
    os.kill(agent_pid(), signal.SIGKILL)
    time.sleep(60)


@live_job
def loses_its_worker_once(mark: str) -> str:
    """Take the worker child down at the first attempt, return at the second."""
    if not Path(mark).exists():
        Path(mark).write_text(str(os.getpid()))
        end_the_agent()
    return "survived"


@live_job(retries=1, backoff=0.1)
def crashes(how: str, mark: str = "") -> str:
    """End this process without a word, at the first attempt only if there is a mark to leave."""
    print("the last line")
    if mark and Path(mark).exists():
        return "survived"
    if mark:
        Path(mark).write_text(str(os.getpid()))
    if how == "exit":
        print("the reason", file=sys.stderr)
        os._exit(3)
    if how == "segfault":
        ctypes.string_at(0)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(60)
    return "not reached"


@live_job
def hostile() -> Any:
    """Print and return text that databases and JSON refuse."""
    print("nul \x00 surrogate \ud800 end")
    return {"text": "nul \x00 surrogate \udfff <b>bold</b>"}


@live_job
def returns_nan() -> float:
    """Return what is not JSON."""
    return float("nan")


@live_job(max_losses=0)
def never_twice(mark: str) -> None:
    """Kill the child; may not run a second time."""
    with Path(mark).open("a") as file:
        file.write("ran\n")
    end_the_agent()


@live_job
def exits() -> None:
    """Leave by sys.exit, as scripts do."""
    raise SystemExit(3)


@live_job
def prints_megabytes() -> int:
    """Print five megabytes without an end of line, and a progress bar."""
    for _ in range(5):
        sys.stdout.write("x" * 1_000_000)
    print()
    for percent in range(1000):
        sys.stderr.write(f"\r{percent} of 1000")
    sys.stderr.write("\n")
    sys.stdout.buffer.write("bytes é\n".encode())
    return 5


@live_job
def logs_too_much(lines: int = 10_050) -> None:
    """Log more lines than are kept."""
    for number in range(lines):
        print("line", number)


@live_job
def logs_in_every_way() -> None:
    """Log by every door, in one order."""
    job = current_job()
    print("one")
    logging.getLogger("some.library").info("two")
    job.log("three")
    print("four", file=sys.stderr)
    try:
        raise ValueError("five")
    except ValueError:
        logging.exception("caught")
    thread = threading.Thread(target=print, args=("six",))
    thread.start()
    thread.join()
    logging.getLogger("celery.something").warning("machinery")
    print("seven", end="")


_kept: list[Any] = []


@live_job
def leaves_a_transaction_open(how: str) -> str:
    """Return in the middle of a transaction."""
    if how == "atomic":
        block = transaction.atomic()
        block.__enter__()
        _kept.append(block)
    elif how == "autocommit":
        connection.set_autocommit(False)
    with connection.cursor() as cursor:
        if how == "broken":
            connection.set_autocommit(False)
            try:
                cursor.execute("SELECT nothing FROM nowhere")
            except Exception:
                print("broken")
        else:
            cursor.execute("UPDATE livejobs_job SET name = 'held' WHERE id = %s", [current_job().id])
    return "left"


@live_job
def reads_the_database() -> int:
    """Use the ORM's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 41 + 1")
        return int(cursor.fetchone()[0])


@live_job
def closes_every_connection() -> str:
    """Close what Django has, and go on."""
    connections.close_all()
    print("closed")
    return "closed"


@live_job
def starts_another(a: int) -> int:
    """Start a job inside a job, and call one directly."""
    assert add(a, b=1) == a + 1
    return add.delay(a, b=2).id


@live_job
def upsets_its_process() -> None:
    """Change what belongs to the process: folder, signals, stdout, logging."""
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    sys.stdout = None
    sys.stderr.close()


@live_job
def takes_the_signal(seconds: float = 3) -> str:
    """Use the signal that stop uses; stop is cooperative then."""
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    print("waiting")
    time.sleep(seconds)
    current_job().check_cancelled()
    return "not stopped"


@live_job
def forks() -> str:
    """Fork, and let the child return from the function too."""
    child = os.fork()
    if child == 0:
        print("from the child")
        current_job().progress(7)
        return "child"
    os.waitpid(child, 0)
    print("from the parent")
    return "parent"


@live_job
def burns(seconds: float = 60) -> int:
    """Hold the interpreter in a loop of Python."""
    print("waiting")
    steps, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        steps += 1
    return steps


@live_job
def uses_the_processor(seconds: float) -> None:
    """Until it has used so many seconds of it, however busy the machine is."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


@live_job
def recurses() -> None:
    """Recurse without end."""
    recurses()


@live_job
def returns_what_contains_itself() -> Any:
    """Return a list inside itself."""
    endless: list[Any] = []
    endless.append(endless)
    return endless


class RudeError(BaseException):
    """Whose text cannot be had."""

    def __str__(self) -> str:
        raise SystemExit(1)


@live_job
def is_rude() -> None:
    """Raise what is no Exception and has no text."""
    raise RudeError


class Rude:
    """Whose JSON cannot be had."""

    def __getattribute__(self, name: str) -> Any:
        raise KeyboardInterrupt


@live_job
def returns_rudeness() -> Any:
    """Return what interrupts the one who looks."""
    return Rude()


@live_job
def reports_odd_numbers() -> None:
    """Report progress in numbers that JSON does not know."""
    job = current_job()
    job.progress(Decimal("1.5"), total=Decimal(3), message="m" * 300 + "\x00")  # type: ignore[arg-type]
    for number in (float("nan"), 10**400):
        try:
            job.progress(number)
        except (ValueError, OverflowError):
            print("refused")


@live_job
def swallows_in_a_finalizer(mark: str) -> None:
    """Wait where Python drops every exception, then where it does not."""

    class Slow:
        def __del__(self) -> None:
            print("waiting")
            time.sleep(60)
            Path(mark).write_text("slept through")

    slow = Slow()
    del slow
    time.sleep(60)
    Path(mark).write_text("slept through")


@live_job
def waits_in_a_generator(mark: str) -> None:
    """Wait inside a suspended generator, which is closed when the stop passes."""

    def rows() -> Iterator[int]:
        try:
            yield 1
            time.sleep(60)
            yield 2
        finally:
            Path(mark).write_text("closed")

    print("waiting")
    for _ in rows():
        pass


@live_job
def cleans_up_in_the_database(mark: str) -> None:
    """Wait in a query, and use the same connection in `finally`, with progress."""
    try:
        wait_in_query()
    finally:
        current_job().progress(1, message="cleaning up")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 41 + 1")
            Path(mark).write_text(str(cursor.fetchone()[0]))


@live_job
def swallows_everything(mark: str, seconds: float = 2) -> str:
    """Catch BaseException, and do not end for a while: no second exception comes."""
    try:
        print("waiting")
        time.sleep(60)
    except BaseException as error:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            gc.collect()
        Path(mark).write_text(type(error).__name__)
    return "ended"


@live_job
def logs_until_stopped() -> None:
    """Log as fast as it can, by a library's logger, so that a stop falls inside the logging module."""
    print("waiting")
    logger = logging.getLogger("some.library")
    while True:
        logger.info("busy")


@live_job
def starts_until_stopped() -> None:
    """Start jobs as fast as it can, so that a stop falls inside our own code."""
    print("waiting")
    while True:
        at_once.delay()


@live_job
def prints_then_ends(mark: str) -> str:
    """Print until a file appears, then return at once."""
    print("waiting")
    while not Path(mark).exists():
        time.sleep(0.01)
    for number in range(20):
        print("late", number)
    current_job().log("last")
    current_job().progress(20, total=20)
    return "printed"


@live_job
def leaves_a_mark(mark: str) -> None:
    """Write down whether this runs inside a job."""
    Path(mark).write_text("outside" if current_job().id is None else "inside")


@live_job
def calls_its_task(depth: int) -> int:
    """Call its own Celery task object, which is a plain call inside its own run."""
    from celery import current_app

    return 0 if depth == 0 else 1 + int(current_app.tasks["tests.jobs.calls_its_task"](depth=depth - 1))


@live_job(memory="150 MB")
def grows(megabytes: int = 400) -> int:
    """Take memory, ten megabytes at a time."""
    taken = []
    for number in range(megabytes // 10):
        taken.append(bytearray(10_000_000))
        time.sleep(0.05)
        print("taken", number)
    return len(taken)


@live_job
def swallows_for_ever() -> None:
    """Catch BaseException, again and again."""
    while True:
        try:
            print("waiting")
            time.sleep(60)
        except BaseException:
            print("swallowed")


@live_job(timeout=1.0)
def takes_too_long() -> None:
    """Run into its time limit."""
    print("waiting")
    time.sleep(60)


@live_job(timeout=1.0)
def takes_too_long_and_swallows() -> None:
    """Run into its time limit, and not stop."""
    swallows_for_ever()


@live_job
def stuck_in_c(seconds: int = 60) -> str:
    """Hold the interpreter's lock in C."""
    print("waiting")
    ctypes.PyDLL(None).sleep(seconds)
    return "slept"


@live_job
def matches_for_ever() -> bool:
    """Look for a pattern that takes longer than anybody waits: C code, which keeps the interpreter's lock."""
    print("waiting")
    return re.match(r"(a+)+$", "a" * 40 + "b") is not None


@live_job
def leaves_a_subprocess(mark: str, ends: bool = False) -> None:
    """Start a process that outlives a careless stop, one that does not listen to SIGTERM."""
    script = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    script += "; print(os.getpid(), flush=True); time.sleep(300)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    Path(mark).write_text(process.stdout.readline().strip())
    print("waiting")
    while not ends:
        try:
            time.sleep(60)
        except Exception:
            print("swallowed")


@live_job(retries=2, backoff=0.2, give_up_on=LookupError)
def fails_at_first(mark: str, times: int = 1, error: str = "ValueError") -> str:
    """Raise in the first attempts."""
    with Path(mark).open("a") as file:
        file.write("ran\n")
    if len(Path(mark).read_text().split()) <= times:
        raise {"ValueError": ValueError, "KeyError": KeyError}[error]("not yet")
    return "at last"


@live_job(max_losses=1)
def poison(mark: str) -> None:
    """Kill the worker child, each time."""
    with Path(mark).open("a") as file:
        file.write("ran\n")
    end_the_agent()


@live_job
def knows_its_task() -> list[Any]:
    """Say what Celery says of the task that runs here."""
    from celery import current_task

    request = current_task.request
    return [current_task.name, request.id, request.root_id, request.called_directly, os.getpid()]


@live_job(retries=1, backoff=3600)
def fails_and_waits() -> None:
    """Raise; the next attempt is far."""
    raise ConnectionError("busy")
