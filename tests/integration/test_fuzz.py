"""Twenty thousand hostile frames at a real server: each is answered or a documented close, and the log stays clean."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from livejobs.protocol import SUBPROTOCOL, CloseCode
from tests.support.servers import Valkey, free_port
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]
FRAMES = 10_000  # of each dialect
WINDOW = 100  # frames on their way at a time
FRAME_BYTES = 512 * 1024
ANSWERS = {"ack", "error", "snapshot", "started"}
DOCUMENTED = {int(code) for code in CloseCode}


class Server:
    """uvicorn as `livejobs up` runs it, on the test's database and Valkey."""

    process: subprocess.Popen[bytes] | None = None

    def __init__(self, log: Path) -> None:
        self.log, self.port = log, free_port()

    def start(self) -> None:
        command = [
            sys.executable, "-m", "uvicorn", "tests.asgi:application", "--port", str(self.port),
            "--ws-max-size", str(FRAME_BYTES), "--lifespan", "off", "--timeout-graceful-shutdown", "2",
            "--no-access-log",
        ]  # fmt: skip
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONWARNINGS": "ignore"}
            )
        wait_for(lambda: "Uvicorn running" in self.log.read_text(), 30, "the server")

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/jobs/socket/"

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)


@pytest.fixture
def server(valkey: Valkey, transactional_db: None, tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "server.log")
    try:
        made.start()
        yield made
    finally:
        made.stop()


# ---------------------------------------------------------------- what is sent

dice = random.Random(20261031)
WORDS = ["", "a", "list", "mine", "all", "\x00", "é", "\U0001f600", "\u202e", "x" * 300, "tests.jobs.add", "__proto__"]
NUMBERS = [0, 1, -1, 7, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 1e308, -0.0, 0.5]
MEMBERS = ["action", "type", "ref", "task", "name", "params", "key", "job_id", "jobs", "scope", "limit", "before", "id"]


def anything(depth: int = 3) -> Any:
    match dice.randint(0, 7 if depth else 4):
        case 0:
            return dice.choice(WORDS)
        case 1:
            return dice.choice(NUMBERS)
        case 2:
            return dice.choice([True, False, None])
        case 3 | 4:
            return dice.choice([dice.randint(-5, 10**6), "text"])
        case 5:
            return [anything(depth - 1) for _ in range(dice.randint(0, 4))]
        case _:
            return {dice.choice(MEMBERS + WORDS): anything(depth - 1) for _ in range(dice.randint(0, 5))}


def mutate(frame: dict[str, Any]) -> str:
    """A command with one or two members replaced, lost or added, or its text cut."""
    for _ in range(dice.randint(1, 2)):
        name = dice.choice([*frame, *MEMBERS])
        if dice.random() < 0.3:
            frame.pop(name, None)
        elif name != "action" or dice.random() < 0.2:
            frame[name] = anything()
    text = json.dumps(frame, ensure_ascii=dice.random() < 0.5)
    return text[: dice.randint(0, len(text))] if dice.random() < 0.1 else text


COMMANDS: list[dict[str, Any]] = [
    {"action": "start", "task": "tests.jobs.add", "params": {"a": 1, "b": 2}, "name": "n", "key": "k"},
    {"action": "cancel", "job_id": 1},
    {"action": "retry", "job_id": 1},
    {"action": "watch", "id": 1, "jobs": {"scope": "mine", "limit": 5}},
    {"action": "watch", "id": 1, "job_id": 1, "log_after": 0},
    {"action": "unwatch", "id": 1},
]
TYPES = ["websocket.close", "websocket.disconnect", "http.request", "livejobs.event", "livejobs.stop"]


def hostile_frame(tutorial: bool) -> str | bytes:
    kind = dice.randint(0, 99)
    if kind < 8:
        command = {"action": "start_at_once", "job_name": "n"} if tutorial else dice.choice(COMMANDS)
        return mutate({**command, "ref": dice.randint(0, 99)})
    if kind < 40:
        return json.dumps({"action": dice.choice([*WORDS, "start_", "Start", "eval", "hello", "ack"]), "x": anything()})
    if kind < 55:
        return json.dumps({"type": dice.choice(TYPES), "text": '{"action":"unwatch","id":1}', "code": 1000})
    if kind < 70:
        return json.dumps(anything())
    if kind < 80:
        return "".join(chr(dice.choice([*range(128), 0x2028, 0x1F600])) for _ in range(dice.randint(0, 60)))
    if kind < 88:
        depth = dice.choice([19, 21, 200, 5_000])
        return '{"action":' + "[" * depth + "]" * depth + "}"
    if kind < 96:
        return bytes(dice.randrange(256) for _ in range(dice.randint(0, 40)))
    if kind < 99:
        return dice.choice(['{"action": "\\ud800"}', '{"a":1}{"b":2}', "NaN", '{"action":Infinity}', '{"a":1,"a":2}'])
    return json.dumps({"action": "start", "task": "t", "params": {"a": "x" * dice.choice([300_000, 600_000])}})


# ---------------------------------------------------------------- what must come back


class Talk:
    """One dialect's connection, opened again after a documented close."""

    def __init__(self, url: str, tutorial: bool) -> None:
        self.url, self.tutorial = url, tutorial
        self.socket: ClientConnection | None = None
        self.closes: list[int] = []

    async def open(self) -> ClientConnection:
        protocols = None if self.tutorial else [websockets.Subprotocol(SUBPROTOCOL)]
        self.socket = await connect(self.url, subprotocols=protocols, max_size=None, compression=None)
        return self.socket

    async def exchange(self, frames: list[str | bytes]) -> int:
        """Send some frames and count their answers; a frame that closes the socket is answered by that."""
        socket = self.socket or await self.open()
        for frame in frames:
            await socket.send(frame)
        answers = 0
        while answers < len(frames):
            message = json.loads(await asyncio.wait_for(socket.recv(), 30))
            messages = message["messages"] if message["action"] == "batch" else [message]
            answers += sum(each["action"] in ANSWERS for each in messages)
        return answers

    async def run(self, frames: list[str | bytes]) -> None:
        for start in range(0, len(frames), WINDOW):
            window = frames[start : start + WINDOW]
            small = [frame for frame in window if len(frame) <= FRAME_BYTES]
            assert await self.exchange(small) == len(small)
            for frame in (frame for frame in window if len(frame) > FRAME_BYTES):
                with pytest.raises(websockets.ConnectionClosed) as closed:
                    await self.exchange([frame])
                assert closed.value.rcvd is not None
                self.closes.append(closed.value.rcvd.code)
                self.socket = None
        if self.socket is not None:
            await self.socket.close()


async def test_twenty_thousand_hostile_frames(server):
    talks = {tutorial: Talk(server.url, tutorial) for tutorial in (False, True)}
    frames = {tutorial: [hostile_frame(tutorial) for _ in range(FRAMES)] for tutorial in talks}
    await asyncio.gather(*(talk.run(frames[tutorial]) for tutorial, talk in talks.items()))
    for talk in talks.values():
        assert talk.closes
        assert set(talk.closes) <= DOCUMENTED
    fine = Talk(server.url, tutorial=False)
    assert await fine.exchange(['{"action":"start","task":"tests.jobs.add","params":{"a":1}}']) == 1
    assert fine.socket is not None
    await fine.socket.close()
    said = server.log.read_text()
    assert "Traceback" not in said, said[-4000:]
    assert "ERROR" not in said, said[-4000:]
