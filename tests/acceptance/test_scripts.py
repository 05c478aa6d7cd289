"""Scripts as people write them, each run by a real server in both pools: `scripts/README.md` says how they look."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from websockets.sync.client import ClientConnection

from tests.support.server_process import Server, Visitor
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(120)

SCRIPTS = Path(__file__).parent / "scripts"
END_SECONDS = 20
GONE_SECONDS = 5  # for the processes of a job to be gone
LEFT_SECONDS = 1  # the same, where a script says that it leaves nothing
FINISHED = ("succeeded", "failed", "cancelled")
LINE_KEYS = ("log", "log_has", "log_count", "log_each", "log_numbers", "levels")
KEYS = frozenset(
    {*LINE_KEYS, "state", "result", "error", "progress", "message", "live", "live_progress", "cancel_when",
     "ends_within", "takes", "leaves_nothing", "waits"}
)  # fmt: skip


class Step(NamedTuple):
    """One job of a script, and what is to be seen of it."""

    task: str
    params: dict[str, Any]
    expected: dict[str, Any]


def steps(script: Path) -> list[Step]:
    """Read what a script expects; it is not run here."""
    jobs, named = [], {}
    for node in ast.parse(script.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and any("live_job" in ast.unparse(each) for each in node.decorator_list):
            jobs.append(node.name)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("EXPECT", "STEPS"):
            named[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    found = [Step(*step) for step in named.get("STEPS", [])] or [Step(jobs[0], {}, named["EXPECT"])]
    for step in found:
        assert step.task in jobs, f"{script.name} has no job {step.task}"
        assert step.expected.keys() <= KEYS, f"{script.name}: {step.expected.keys() - KEYS} says nothing"
    return found


ALL = sorted(script.stem for script in SCRIPTS.glob("*.py"))
ALONE = [name for name in ALL if "\nALONE = True" in (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")]
NAMES = [name for name in ALL if name not in ALONE]
POOLS = ["prefork", "threads"]


def start(folder: Path, pool: str, names: list[str]) -> Server:
    """Start a server with these scripts, and one place where they run."""
    for name in names:
        assert importlib.util.find_spec(name) is None, f"{name} is the name of another module"
        shutil.copy(SCRIPTS / f"{name}.py", folder)
    (folder / "tasks.py").write_text("".join(f"import {name}\n" for name in names))
    server = Server(folder, workers=1, extra={"LIVEJOBS_POOL": pool})
    server.start()
    return server


def stop(server: Server) -> None:
    server.stop()
    wait_for(lambda: not server.processes(), message="the end of every process")


@pytest.fixture(scope="module", params=POOLS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with every script."""
    found = start(tmp_path_factory.mktemp(request.param), request.param, NAMES)
    yield found
    stop(found)


@pytest.fixture(scope="module")
def visitor(server: Server) -> Visitor:
    return Visitor(server)


@pytest.fixture(scope="module")
def at_rest(server: Server) -> Counter[str]:
    """The processes of a server that runs nothing."""
    return commands(server)


def commands(server: Server) -> Counter[str]:
    """Its processes, by their command lines: a runner may be replaced by another."""
    return Counter(server.processes().values())


class Screen:
    """One job, as the browser of the person who started it follows it."""

    def __init__(self, socket: ClientConnection, step: Step) -> None:
        self._socket = socket
        self.lines: list[dict[str, Any]] = []
        self.job: dict[str, Any] = {}
        self.progress: list[Any] = []  # current, total and message, as told last
        self._send(action="start", task=step.task, params=step.params, ref="start")
        self._hear_until(lambda: self.job, 10)
        self.id = self.job["id"]
        self._send(action="watch", id="job", job_id=self.id)

    def wait_for_line(self, text: str, seconds: float) -> None:
        """Follow until a line is there."""
        self._hear_until(lambda: text in self.texts or self.ended, seconds)
        assert text in self.texts, self
        assert not self.ended, f"{text!r} was seen only when the job had ended: {self}"

    def wait_for_progress(self, progress: list[Any], seconds: float) -> None:
        """Follow until the job is so far."""
        self._hear_until(lambda: self.progress == progress or self.ended, seconds)
        assert self.progress == progress, (self.progress, self)
        assert not self.ended, f"{progress} was seen only when the job had ended: {self}"

    def wait_for_end(self, seconds: float) -> None:
        """Follow until the job has ended, and each line of its log is there."""
        self._hear_until(lambda: self.ended and self._last >= self.job["log_seq"], seconds)

    def cancel(self) -> None:
        """Click on Cancel."""
        self._send(action="cancel", job_id=self.id, ref="cancel")

    @property
    def ended(self) -> bool:
        return self.job.get("state") in FINISHED

    @property
    def texts(self) -> list[str]:
        return [line["text"] for line in self.lines]

    @property
    def _last(self) -> int:
        return self.lines[-1]["seq"] if self.lines else 0

    def __repr__(self) -> str:
        said = {name: self.job.get(name) for name in ("id", "state", "result", "error", "attempt", "progress")}
        return f"{said}, {len(self.texts)} lines: {self.texts[:20]} … {self.texts[-5:]}"

    def _send(self, **command: Any) -> None:
        self._socket.send(json.dumps(command))

    def _hear_until(self, condition: Callable[[], object], seconds: float) -> None:
        give_up_at = time.monotonic() + seconds
        while not condition():
            try:
                frame = json.loads(self._socket.recv(timeout=max(0.0, give_up_at - time.monotonic())))
            except TimeoutError:
                raise AssertionError(f"not so within {seconds:g} s: {self}") from None
            for message in frame.get("messages", [frame]):
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        assert message["action"] != "error", message
        if message.get("ref") == "start":
            self.job = message["job"]
        elif message["action"] in ("job", "snapshot") and message["job"]["id"] == self.job.get("id"):
            self._update(message["job"])
            self._add(message.get("log", []))
        elif message["action"] == "log" and message["job_id"] == self.job.get("id"):
            self._add(message["lines"])
        elif message["action"] == "progress" and message["job_id"] == self.job.get("id"):
            self.progress = [message[name] for name in ("current", "total", "message")]

    def _update(self, job: dict[str, Any]) -> None:
        if job["version"] >= self.job["version"]:
            self.job = job

    def _add(self, lines: list[dict[str, Any]]) -> None:
        self.lines += [line for line in lines if line["seq"] > self._last]


# ---------------------------------------------------------------- what is seen


def test_no_two_scripts_have_a_job_of_one_name() -> None:
    """The server has one name for both, and serves the first."""
    names = Counter(
        re.findall(
            r"^@live_job.*\n(?:@.*\n)*(?:async )?def (\w+)",
            "\n".join(each.read_text("utf-8") for each in SCRIPTS.glob("*.py")),
            re.M,
        )
    )
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("name", NAMES)
def test_script(name: str, server: Server, visitor: Visitor, at_rest: Counter[str]) -> None:
    run_all(name, server, visitor, at_rest)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("name", ALONE)
def test_script_alone(name: str, pool: str, tmp_path: Path) -> None:
    server = start(tmp_path, pool, [name])
    try:
        run_all(name, server, Visitor(server), commands(server))
    finally:
        stop(server)


def run_all(name: str, server: Server, visitor: Visitor, at_rest: Counter[str]) -> None:
    """Run the jobs of a script one after the other, and look at each."""
    said_before = len(server.log)
    try:
        for step in steps(SCRIPTS / f"{name}.py"):
            run(step, name, server, visitor, at_rest)
    finally:
        (server.folder / f"{name}.seen").unlink(missing_ok=True)
    wait_for(lambda: commands(server) == at_rest, GONE_SECONDS, f"{name}: {commands(server) - at_rest} is left;")
    assert "Traceback" not in server.log[said_before:]


def run(step: Step, name: str, server: Server, visitor: Visitor, at_rest: Counter[str]) -> None:
    expected = step.expected
    seconds = expected.get("waits", END_SECONDS)
    with visitor.connect() as socket:
        screen = Screen(socket, step)
        if "live" in expected:
            screen.wait_for_line(expected["live"], seconds)
            (server.folder / f"{name}.seen").touch()
        if "live_progress" in expected:
            screen.wait_for_progress(expected["live_progress"], seconds)
            (server.folder / f"{name}.seen").touch()
        if "cancel_when" in expected:
            screen.wait_for_line(expected["cancel_when"], seconds)
            screen.cancel()
        screen.wait_for_end(seconds)
    look(screen, expected)
    if expected.get("leaves_nothing"):
        wait_for(lambda: commands(server) == at_rest, LEFT_SECONDS, f"{commands(server) - at_rest} is left;")


def look(screen: Screen, expected: dict[str, Any]) -> None:
    job = screen.job
    assert job["state"] == expected.get("state", "succeeded"), screen
    assert (job["attempt"], job["losses"]) == (1, 0), screen
    if "result" in expected:
        assert job["result"] == expected["result"], screen
    for member, value in expected.get("error", {}).items():
        assert matches(job["error"][member], value), (member, value, screen)
    if "progress" in expected:
        progress = job["progress"]
        assert [progress["current"], progress["total"]] == (expected["progress"] or [None, None]), screen
    if "message" in expected:
        assert job["progress"]["message"] == expected["message"], screen
    look_at_lines(screen, expected)
    if "ends_within" in expected:
        assert seconds_between(job, "cancel_requested_at", "finished_at") <= expected["ends_within"], screen
    if "takes" in expected:
        least, most = expected["takes"]
        assert least <= seconds_between(job, "started_at", "finished_at") <= most, screen


def look_at_lines(screen: Screen, expected: dict[str, Any]) -> None:
    texts = screen.texts
    if "log" in expected:
        assert len(texts) == len(expected["log"]), (texts, expected["log"])
        assert all(map(matches, texts, expected["log"])), (texts, expected["log"])
    rest = iter(texts)
    for wanted in expected.get("log_has", []):
        assert any(matches(text, wanted) for text in rest), (wanted, screen)
    if "log_count" in expected:
        assert len(texts) == expected["log_count"], screen
    if "log_each" in expected:
        assert [text for text in texts if not re.fullmatch(expected["log_each"], text)] == []
    if "log_numbers" in expected:
        pattern, first, end = expected["log_numbers"]
        found = [re.fullmatch(pattern, text) for text in texts]
        assert all(found), [text for text, match in zip(texts, found, strict=True) if match is None][:10]
        assert [int(match[1]) for match in found if match] == list(range(first, end)), screen
    levels = {line["text"]: line["level"] for line in screen.lines}
    for text, level in expected.get("levels", {}).items():
        assert levels.get(text) == level, (text, levels)


def matches(text: str, wanted: str | dict[str, str]) -> bool:
    if isinstance(wanted, dict):
        return re.fullmatch(wanted["re"], text, re.DOTALL) is not None
    return text == wanted


def seconds_between(job: dict[str, Any], begin: str, end: str) -> float:
    return (datetime.fromisoformat(job[end]) - datetime.fromisoformat(job[begin])).total_seconds()
