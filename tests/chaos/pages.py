"""People's pages: the page's own modules under Node, many in a process, each with a connection of its own.

`observer.js` is the other end: it is told what to do by JSON lines, and holds what its pages show against a file with
the truth, so that a thousand rows of two hundred pages need not travel.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

SCRIPT: Final = Path(__file__).with_name("observer.js")
ANSWER_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
PAGES_A_PROCESS: Final = 50
WATCHED_MAX: Final = 20  # jobs that one page looks at beside its list: a connection may have fifty watches in all


class MissingNodeError(Exception):
    """There is no Node here, or its packages were not installed."""


@dataclass
class Look:
    """What was found wrong, and how long the lists were."""

    found: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # of each page
    untold: set[int] = field(default_factory=set)  # ids that are shown and of which the truth did not tell

    def add(self, other: Look) -> None:
        """Take in another one."""
        self.found += other.found
        self.rows += other.rows
        self.untold |= other.untold


class Observer:
    """One process with some pages. While it is frozen it is told things, and does them when it is thawed."""

    def __init__(self, name: str, static: Path, log: Path) -> None:
        node = shutil.which("node")
        if node is None or not (SCRIPT.parents[2] / "node_modules" / "ws").exists():
            raise MissingNodeError("The pages of the chaos suite need Node, and `npm ci` in the folder of the project.")
        self.name = name
        self._numbers = itertools.count(1)
        self._answers: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [node, str(SCRIPT), str(static / "livejobs")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
            )
        threading.Thread(target=self._read, name=f"chaos-{name}", daemon=True).start()

    def tell(self, command: str, **what: Any) -> None:
        """Have something done."""
        self._write({"do": command, **what})

    def ask(self, command: str, **what: Any) -> Future[Any]:
        """Have something done, and be told what came of it."""
        number = next(self._numbers)
        answer = self._answers[number] = Future()
        self._write({"do": command, "id": number, **what})
        return answer

    def freeze(self) -> None:
        """Let it run no further, as a phone does with what nobody looks at."""
        self._popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run on."""
        self._popen.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        if self._popen.poll() is None:
            self.thaw()
            self._popen.kill()
        self._popen.wait(STOP_SECONDS)

    def _write(self, command: dict[str, Any]) -> None:
        assert self._popen.stdin is not None
        with self._lock:
            self._popen.stdin.write(f"{json.dumps(command)}\n".encode())
            self._popen.stdin.flush()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            said = json.loads(line)
            answer = self._answers.pop(said["id"])
            if "error" in said:
                answer.set_exception(RuntimeError(said["error"]))
            else:
                answer.set_result(said["answer"])
        for left in self._answers.values():
            left.set_exception(RuntimeError(f"{self.name} ended; its log says why"))


class Pages:
    """Every page, over several processes, so that one can be frozen while the others go on."""

    def __init__(self, count: int, cookie: str, ports: Sequence[int], static: Path, folder: Path) -> None:
        self.count = count
        self._cookie, self._ports, self._static, self._folder = cookie, ports, static, folder
        # two at the short level, four at the full; one where a defect is to be caught
        processes = 1 if count < 10 else max(2, count // PAGES_A_PROCESS)
        self._sizes = [count // processes + (number < count % processes) for number in range(processes)]
        self._next = itertools.count()
        self._watched: dict[int, set[int]] = {}
        self.observers: list[Observer] = []

    def open(self) -> None:
        """Open every page."""
        self.observers = [self._started(number) for number in range(len(self._sizes))]
        gathered(self._opened(each, size) for each, size in zip(self.observers, self._sizes, strict=True))

    def reopen(self, number: int) -> None:
        """Close the pages of one process and open them anew: they show the newest fifty rows again."""
        self.observers[number].close()
        self._watched = {page: ids for page, ids in self._watched.items() if self._at(page)[0] != number}
        self.observers[number] = self._started(number)
        gathered([self._opened(self.observers[number], self._sizes[number])])

    def close(self) -> None:
        """Close every page."""
        for observer in self.observers:
            observer.close()

    # ------------------------------------------------------------ what people do

    def watch(self, job_id: int) -> None:
        """Have the next page look at a job, with its log."""
        page = next(self._next) % self.count
        watched = self._watched.setdefault(page, set())
        if len(watched) < WATCHED_MAX:
            watched.add(job_id)
            process, number = self._at(page)
            self.observers[process].tell("watch", page=number, job=job_id)

    def unwatch(self) -> None:
        """Have every page look at its list only."""
        self._watched.clear()
        for observer in self.observers:
            observer.tell("unwatch")

    @property
    def watched(self) -> set[int]:
        """The jobs that some page looks at."""
        return set().union(*self._watched.values())

    def older(self, until: int, every: int = 1) -> list[Future[Any]]:
        """Load older jobs on every n-th page until there are so many rows."""
        return [observer.ask("older", until=until, every=every) for observer in self.observers]

    def newest(self) -> None:
        """Come back to the newest jobs where older ones have taken their place."""
        for observer in self.observers:
            observer.tell("newest")

    def drop(self) -> int:
        """Lose every connection; says how many there were."""
        return sum(gathered(observer.ask("drop") for observer in self.observers))

    def hide(self, number: int) -> None:
        """Hide the pages of one process."""
        gathered([self.observers[number].ask("visibility", state="hidden")])

    def show(self, number: int) -> None:
        """Show them again."""
        gathered([self.observers[number].ask("visibility", state="visible")])

    # ------------------------------------------------------------ what is seen

    def look(self, truth: Path) -> Look:
        """Hold every page against the truth in a file."""
        look = Look()
        for observer, said in zip(self.observers, self._ask_all("look", truth=str(truth)), strict=True):
            look.found += [f"{observer.name}, {sentence}" for sentence in said["found"]]
            more = said["count"] - len(said["found"])
            look.found += [f"{observer.name}: {more} more"] if more else []
            look.rows += said["rows"]
            look.untold |= set(said["untold"])
        return look

    def ports(self) -> list[int]:
        """The ports of the web processes at the other ends of the connections."""
        return [port for said in self._ask_all("ports") for port in said]

    # ------------------------------------------------------------ inside

    def _ask_all(self, command: str, **what: Any) -> list[Any]:
        return gathered(observer.ask(command, **what) for observer in self.observers)

    def _started(self, number: int) -> Observer:
        return Observer(f"pages{number}", self._static, self._folder / f"pages{number}.log")

    def _opened(self, observer: Observer, count: int) -> Future[Any]:
        return observer.ask("open", count=count, cookie=self._cookie, ports=list(self._ports))

    def _at(self, page: int) -> tuple[int, int]:
        """The process of a page, and its number there."""
        for process, size in enumerate(self._sizes):
            if page < size:
                return process, page
            page -= size
        raise IndexError


def gathered(answers: Iterable[Future[Any]]) -> list[Any]:
    """Wait for all answers."""
    return [answer.result(ANSWER_SECONDS) for answer in list(answers)]
