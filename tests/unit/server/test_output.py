"""What the supervisor says, on any kind of terminal and none."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from livejobs.server.output import Output


class Stream(io.TextIOWrapper):
    """A text stream that remembers."""

    def __init__(self, encoding: str, terminal: bool = False) -> None:
        self.bytes = io.BytesIO()
        self.terminal = terminal
        super().__init__(self.bytes, encoding=encoding)

    def isatty(self) -> bool:
        return self.terminal

    def lines(self) -> list[str]:
        return self.bytes.getvalue().decode(self.encoding).splitlines()


def test_plain_lines_in_a_pipe():
    out, err = Stream("utf-8"), Stream("utf-8")
    output = Output(out, err)

    output.ready("web", 1.234)
    output.ready("valkey", 0.1, "9.1.2")
    output.ready("worker", 2, again=True)
    output.say("Stopping…")
    output.warn("worker ended unexpectedly.")
    output.passed_on("web", "a line")

    assert out.lines() == [
        "✓ web          ready in 1.2 s",
        "✓ valkey       ready in 0.1 s (9.1.2)",
        "✓ worker       ready again in 2.0 s",
        "Stopping…",
    ]
    assert err.lines() == ["worker ended unexpectedly.", "web         │ a line"]


def test_what_a_part_wrote_commands_no_terminal():
    err = Stream("utf-8", terminal=True)
    Output(err, err).passed_on("worker", "\x1b[2J\x1b]0;title\x07Job 7 \u202efailed\r")
    assert err.lines()[0].split("│", 1)[1].replace("\x1b[0m", "") == " Job 7 failed"


def test_colours_on_a_terminal_unless_somebody_wants_none(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Stream("utf-8", terminal=True)
    Output(terminal, terminal).ready("web", 1)
    assert terminal.lines() == ["\x1b[32m✓\x1b[0m web          ready in 1.0 s"]

    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Stream("utf-8", terminal=True)
    Output(terminal, terminal).ready("web", 1)
    assert terminal.lines() == ["✓ web          ready in 1.0 s"]


def test_a_terminal_that_knows_ascii_only():
    out, err = Stream("ascii"), Stream("ascii")
    output = Output(out, err)

    output.ready("web", 1)
    output.say("Stopping…")
    output.passed_on("worker", "schön 😀 \ud800")

    assert out.lines() == ["ok web          ready in 1.0 s", "Stopping?"]
    assert err.lines() == ["worker      | sch?n ? ?"]


def test_an_encoding_nobody_knows_is_taken_for_the_simplest():
    class Odd(io.StringIO):
        encoding = "no-such-encoding"

    assert Output(Odd(), io.StringIO()).check == "ok"


@pytest.mark.parametrize("together", [True, False])
def test_one_terminal_gets_the_lines_of_both_in_order(together, tmp_path):
    with (tmp_path / "out").open("w") as out, (tmp_path / ("out" if together else "err")).open("a") as err:
        output = Output(out, err)
        for number in range(200):
            output.say(f"said {number}")
            output.warn(f"warned {number}")
        output.flush()
    lines = (tmp_path / "out").read_text().splitlines()
    said, warned = ([f"{word} {number}" for number in range(200)] for word in ("said", "warned"))
    assert lines == ([line for pair in zip(said, warned, strict=True) for line in pair] if together else said)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_when_somebody_closes_our_output_we_are_silent_and_go_on(stream, tmp_path):
    """As `livejobs up | head -1` does."""
    script = (
        "import sys; from livejobs.server.output import Output; output = Output(); sys.stdin.readline();"
        "[(output.say('x'), output.warn('y')) for _ in range(1000)]; open(sys.argv[1], 'w').write('went on')"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "mark")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        getattr(process, stream).close()
        setattr(process, stream, None)
        _, err = process.communicate(b"\n", timeout=20)

    assert process.returncode == 0, err
    assert (tmp_path / "mark").read_text() == "went on"
    assert not err or b"Traceback" not in err
