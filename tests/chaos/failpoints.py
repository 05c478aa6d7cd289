"""Points where a process can be killed: arming one is making a file, and the first process that comes by takes it.

Also what a broker may do to messages: the file `messages` names it (`double`, `shuffle`, `drop`), and every publisher
does it to its own. And while the file `slow` is there, every snapshot of a socket is slow.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

VARIABLE = "LIVEJOBS_CHAOS_FAILPOINTS"
RUNNER_POINTS = ("runner_begins", "runner_mid_run", "runner_done", "zygote_mid_run")
CHILD_POINTS = ("after_pop", "after_claim", "mid_run", "before_finish", "before_broadcast")
POINTS = (*CHILD_POINTS, *RUNNER_POINTS, "before_publish")
DROPPED = 0.2
SLOW_SNAPSHOT_SECONDS = 1.0


def folder() -> Path | None:
    """Where armed points lie; None outside a run."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


def arm(name: str) -> None:
    """Have the next process that reaches this point killed there."""
    where = folder()
    assert where is not None
    (where / name).touch()


def disarm() -> None:
    """Take back what nobody reached."""
    for name in POINTS:
        where = folder()
        assert where is not None
        (where / name).unlink(missing_ok=True)


def taken() -> int:
    """How many points were reached and have killed."""
    where = folder()
    assert where is not None
    return len(list(where.glob("*.taken-*")))


def reached(name: str, victim: Callable[[], int] = os.getpid) -> None:
    """Die here, if that is wanted and nobody else did.

    :param victim: which process is killed; whoever loses it ends.
    """
    where = folder()
    if where is None or not (where / name).exists():
        return
    try:
        (where / name).rename(where / f"{name}.taken-{os.getpid()}")
    except FileNotFoundError:
        return
    os.kill(victim(), signal.SIGKILL)
    signal.pause()


@contextmanager
def slow_snapshots() -> Iterator[None]:
    """Have every snapshot under way for a second after its rows were read: what changes then is not in it."""
    where = folder()
    assert where is not None
    (where / "slow").touch()
    try:
        yield
    finally:
        (where / "slow").unlink()


def install() -> None:
    """Wrap what the points stand before or after."""
    if folder() is None:
        return
    from livejobs import transitions
    from livejobs.hints import broadcast, publishing
    from livejobs.live.endpoint import SocketEndpoint
    from livejobs.maintenance.dispatcher import Dispatcher
    from livejobs.states import FINISHED
    from livejobs.worker import agent, task
    from livejobs.worker.parent import parent

    _before(task, "run", "after_pop")
    _after(agent.Agent, "claim", "after_claim", lambda claimed: claimed is not None)
    _before(agent.Agent, "finish", "before_finish")
    _before(Dispatcher, "_publish", "before_publish")

    def announced(job: Any, edge: Any) -> None:
        if job.state in FINISHED and parent.is_child():
            reached("before_broadcast")
        broadcast.announce(job, edge)

    transitions.SUBSCRIBERS[transitions.SUBSCRIBERS.index(broadcast.announce)] = announced
    SocketEndpoint._read_snapshot = _late(SocketEndpoint._read_snapshot)  # type: ignore[method-assign]
    publishing.Publisher._send = _mistreated(publishing.Publisher._send)  # type: ignore[method-assign]


def _before(owner: Any, name: str, point: str) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        reached(point)
        return original(*args, **kwargs)

    setattr(owner, name, wrapped)


def _after(owner: Any, name: str, point: str, when: Callable[[Any], bool]) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        answer = original(*args, **kwargs)
        if when(answer):
            reached(point)
        return answer

    setattr(owner, name, wrapped)


def _late(read: Callable[..., Any]) -> Callable[..., Any]:
    """Keep snapshots back once they were read. Not in the thread that reads: starts are read there too."""

    @wraps(read)
    async def late(consumer: Any, request: Any) -> Any:
        found = await read(consumer, request)
        where = folder()
        if where and (where / "slow").exists():
            await asyncio.sleep(SLOW_SNAPSHOT_SECONDS)
        return found

    return late


def _mistreated(send: Callable[..., None]) -> Callable[..., None]:
    chance, lock = random.Random(os.getpid()), threading.Lock()
    held: list[tuple[str, str, dict[str, Any]]] = []

    @wraps(send)
    def mistreat(publisher: Any, task: str, queue: str, **options: Any) -> None:
        where = folder()
        how = (where / "messages").read_text() if where and (where / "messages").exists() else ""
        if "drop" in how and chance.random() < DROPPED:
            return
        with lock:
            messages = [(task, queue, options), *held]
            held.clear()
            if "shuffle" in how and len(messages) == 1 and chance.random() < 0.5:
                held.extend(messages)  # until the next one overtakes it
                return
        for each_task, each_queue, each_options in messages:
            for _ in range(2 if "double" in how else 1):
                send(publisher, each_task, each_queue, **each_options)

    return mistreat
