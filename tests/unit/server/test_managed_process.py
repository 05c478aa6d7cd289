"""One supervised process: its start, its lines, its end, and when it may start again."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from livejobs.server import managed_process
from livejobs.server.managed_process import (
    FIRST_DELAY,
    HEALTHY_SECONDS,
    LAST_LINES,
    LONGEST_DELAY,
    LONGEST_LINE,
    START_SECONDS,
    ManagedProcess,
    Stage,
    how_it_ended,
)
from tests.support.waiting import wait_for

Make = Callable[..., ManagedProcess]
ENVIRONMENT = {"PATH": os.environ["PATH"]}


@pytest.fixture
def make() -> Iterator[Make]:
    """Make a part that runs a shell script; what still runs after the test is ended."""
    made: list[ManagedProcess] = []

    def part(script: str = "exec sleep 60", **options: Any) -> ManagedProcess:
        found = ManagedProcess("web", ["sh", "-c", script], lambda: None, environment=ENVIRONMENT, **options)
        made.append(found)
        return found

    yield part
    for each in made:
        if each.process is not None:
            each.process.kill()
            wait_for(lambda each=each: each.ended() is not None)  # type: ignore[misc]  # bound where it is made


def until_the_end(part: ManagedProcess) -> tuple[list[str], int]:
    """Everything it wrote, and its exit code."""
    assert part.process is not None
    part.process.wait(10)
    lines = list(part.lines())
    code = part.ended()
    assert code is not None
    return lines, code


# ---------------------------------------------------------------- its start


def test_it_runs_in_a_session_of_its_own_with_the_environment_it_is_given(make, monkeypatch):
    monkeypatch.setenv("OURS", "leaked")
    part = make('echo "$OURS$THEIRS"; exec sleep 60')
    part.environment = {**ENVIRONMENT, "THEIRS": "given"}
    assert (part.stage, part.running, part.pid) == (Stage.WAITING, False, 0)

    part.start()

    assert (part.stage, part.running) == (Stage.STARTING, True)
    assert os.getsid(part.pid) == part.pid
    assert wait_for(lambda: list(part.lines())) == ["given"]


def test_it_is_given_its_input_and_then_the_end_of_it(make):
    part = make("cat; echo end", stdin=b"port 0\n")
    part.start()
    assert until_the_end(part) == (["port 0", "end"], 0)


def test_one_that_ends_before_it_reads_its_input_is_started_all_the_same(make):
    part = make("exit 3", stdin=b"port 0\n")
    part.start()
    assert until_the_end(part) == ([], 3)


def test_without_input_it_finds_none(make):
    part = make("cat; echo end")
    part.start()
    assert until_the_end(part) == (["end"], 0)


def test_one_that_hears_is_told_word_by_word(make):
    part = make("while read word; do echo heard $word; done; echo end", hears=True)
    part.say(b"early\n")  # it does not run: nobody hears it
    part.start()
    part.say(b"load\n")
    assert wait_for(lambda: list(part.lines())) == ["heard load"]
    part.say(b"serve\n")
    assert wait_for(lambda: list(part.lines())) == ["heard serve"]
    assert part.process is not None
    assert part.process.stdin is not None
    part.process.stdin.close()
    assert until_the_end(part) == (["end"], 0)


def test_one_takes_over_the_process_of_another(make):
    part, other = make(), make("exec sleep 60")
    other.start()
    other.held, pid = ["said before"], other.pid

    part.take_over(other)

    assert (part.stage, part.pid, part.held) == (Stage.STARTING, pid, ["said before"])
    assert part.process is other.process
    other.process = None  # it has only one owner


def test_it_inherits_the_descriptors_that_are_meant_for_it(make):
    reader, writer = os.pipe()
    script = f"echo hello >/dev/fd/{writer}"
    kept, other = make(script, descriptors=(writer,)), make(script)
    kept.start()
    other.start()
    assert until_the_end(kept) == ([], 0)
    assert until_the_end(other)[1] != 0
    assert os.read(reader, 100) == b"hello\n"
    os.close(reader)
    os.close(writer)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the guard alone does it")
def test_it_dies_with_whoever_started_it():
    script = (
        "from livejobs.server.managed_process import ManagedProcess; import os;"
        "part = ManagedProcess('web', ['sleep', '60'], lambda: None, environment=dict(os.environ)); part.start();"
        "print(part.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr

    def gone() -> bool:
        try:
            with open(f"/proc/{int(done.stdout)}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True

    wait_for(gone, message="the end of the orphan")


def test_its_input_is_closed_even_where_nobody_reads_it(make):
    part = make("exit 3", stdin=b"x" * 1_000_000)  # more than a pipe holds
    part.start()
    assert part.process is not None
    assert part.process.stdin is not None
    assert part.process.stdin.closed
    assert until_the_end(part) == ([], 3)


# ---------------------------------------------------------------- its lines


def test_lines_come_as_they_are_written_and_half_a_line_waits_for_its_end(make):
    reader, writer = os.pipe()
    part = make(f"printf 'one\\ntw'; read go </dev/fd/{reader}; printf 'o\\nthree'", descriptors=(reader,))
    part.start()

    assert wait_for(lambda: list(part.lines())) == ["one"]
    wait_for(lambda: not list(part.lines()) and part.rest == b"tw")
    os.write(writer, b"go\n")
    assert until_the_end(part) == (["two", "three"], 0)
    os.close(reader)
    os.close(writer)


def test_both_of_its_outputs_are_read_and_what_is_no_text_is_replaced(make):
    part = make("echo out; echo err >&2; printf 'a\\377b\\r\\n\\n'")
    part.start()
    assert until_the_end(part)[0] == ["out", "err", "a�b", ""]


def test_a_line_without_end_does_not_fill_the_memory(make):
    size = 10 * LONGEST_LINE
    part = make(f"head -c {size} /dev/zero | tr '\\0' x")
    part.start()
    seen: list[str] = []

    def read() -> bool:
        seen.extend(part.lines())
        assert len(part.rest) <= LONGEST_LINE
        return sum(map(len, seen)) + len(part.rest) == size

    wait_for(read)
    assert "".join(seen + until_the_end(part)[0]) == "x" * size


def test_one_that_was_never_started_says_nothing(make):
    part = make()
    assert list(part.lines()) == []
    assert part.ended() is None
    part.ask_to_stop()


def test_a_new_start_forgets_what_the_last_one_said(make):
    part = make("printf half; exit 1")
    part.start()
    part.last.extend(str(number) for number in range(LAST_LINES + 5))
    part.rest = b"half"
    assert len(part.last) == LAST_LINES
    assert part.last[0] == "5"
    until_the_end(part)

    part.start()
    assert list(part.last) == []
    assert until_the_end(part)[0] == ["half"]


# ---------------------------------------------------------------- its end


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9)])
def test_its_exit_code_is_told_once(make, script, code):
    part = make(script)
    part.start()
    assert wait_for(lambda: (part.ended(),) if part.process and part.process.poll() is not None else None) == (code,)
    assert not part.running
    assert part.ended() is None


def test_it_is_asked_to_stop_before_it_is_made_to(make):
    part = make("trap 'echo stopping; exit 0' TERM; echo up; sleep 60 & wait; kill $!")
    part.start()
    assert wait_for(lambda: list(part.lines())) == ["up"]
    assert part.ended() is None
    part.ask_to_stop()
    assert until_the_end(part) == (["stopping"], 0)
    os.killpg(part.pid, signal.SIGKILL)  # its sleep


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit code 0"), (3, "exit code 3"), (-9, "killed by SIGKILL"), (-11, "killed by SIGSEGV"),
     (-200, "killed by signal 200")],
)  # fmt: skip
def test_how_it_ended_in_words(code, words):
    assert how_it_ended(code) == words


# ---------------------------------------------------------------- when it starts again


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time, in the only element."""
    now = [1000.0]
    monkeypatch.setattr(managed_process.time, "monotonic", lambda: now[0])  # type: ignore[attr-defined]
    return now


def test_the_wait_doubles_and_has_an_end(make, clock):
    part = make()
    waits = []
    for _ in range(9):
        part.stage = Stage.STARTING
        waits.append(part.back_off())
        assert part.stage is Stage.WAITING
        assert part.start_at == clock[0] + waits[-1]
    assert waits[:4] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY, 8 * FIRST_DELAY]
    assert waits[-2:] == [LONGEST_DELAY] * 2
    assert part.failed_starts == 9


@pytest.mark.parametrize(("lived", "wait"), [(HEALTHY_SECONDS - 1, 2 * FIRST_DELAY), (HEALTHY_SECONDS, FIRST_DELAY)])
def test_one_that_was_well_for_long_starts_again_soon(make, clock, lived, wait):
    part = make()
    part.stage = Stage.STARTING
    part.back_off()
    part.became_ready("")
    clock[0] += lived

    assert part.back_off() == wait
    assert part.failed_starts == 1  # a death after it was ready is no failed start


def test_it_knows_how_long_it_took_and_when_it_takes_too_long(make, clock):
    part = make()
    part.stage, part.started_at = Stage.STARTING, clock[0]
    clock[0] += START_SECONDS
    assert not part.overdue()
    clock[0] += 1
    assert part.overdue()
    assert not part.overdue(clock[0] - START_SECONDS)  # it waited for others until then
    assert not part.overdue(math.inf)  # and does still

    assert part.became_ready("9.1.2") == START_SECONDS + 1
    assert (part.stage, part.detail, part.ready_at) == (Stage.READY, "9.1.2", clock[0])
    assert not part.overdue()
    assert time.monotonic() == clock[0]
