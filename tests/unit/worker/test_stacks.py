"""What faulthandler writes, read as a traceback."""

from __future__ import annotations

import faulthandler
import tempfile
import threading
from pathlib import Path

import livejobs
from livejobs.worker.stacks import MOST_CHARACTERS, readable

RUNNER = Path(livejobs.__file__).parent / "runner"
FRAME = '  File "{path}", line {line} in {name}'


def written_by_faulthandler() -> str:
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()


def test_frames_come_with_their_source_innermost_last():
    def waits() -> None:
        entered.set()
        go_on.wait()

    entered, go_on = threading.Event(), threading.Event()
    thread = threading.Thread(target=waits)
    thread.start()
    entered.wait()
    text = readable(written_by_faulthandler())
    go_on.set()
    thread.join()
    main, other = text.split("\n\n")[0], text.split("\n\n")[-1]
    assert main.startswith("Main thread (most recent call last):\n")
    assert main.splitlines()[-2].endswith("in written_by_faulthandler")
    assert main.splitlines()[-1] == "    faulthandler.dump_traceback(file, all_threads=True)"
    assert "Thread 2" in text
    assert f'  File "{__file__}", line ' in other
    assert "    go_on.wait()" in other.splitlines()


def test_what_called_the_function_is_not_shown():
    written = "\n".join(
        [
            "Thread 0x00007f3b6d7fa6c0 [loader] (most recent call first):",
            FRAME.format(path="/jobs.py", line=3, name="load"),
            "",
            "Current thread 0x00007f3b73b9f740 (most recent call first):",
            FRAME.format(path="/lib/time.py", line="???", name="sleep"),
            FRAME.format(path="/jobs.py", line=12, name="nightly report"),
            FRAME.format(path=RUNNER / "interrupt.py", line=76, name="call"),
            FRAME.format(path=RUNNER / "perform.py", line=50, name="perform"),
        ]
    )
    assert readable(written) == "\n".join(
        [
            "Main thread (most recent call last):",
            '  File "/jobs.py", line 12, in nightly report',
            '  File "/lib/time.py", line ???, in sleep',
            "",
            "Thread 2 [loader] (most recent call last):",
            '  File "/jobs.py", line 3, in load',
        ]
    )


def test_nothing_written_is_nothing_and_no_text_is_without_end():
    assert readable("") == ""
    assert readable("what a job wrote there itself\n") == ""
    thread = "Thread 0x0000 (most recent call first):\n" + "\n".join(
        FRAME.format(path="/a" * 200, line=1, name="b") for _ in range(100)
    )
    assert len(readable("\n\n".join([thread] * 50))) == MOST_CHARACTERS
