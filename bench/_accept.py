"""The measures of `accept`, in a process of its own: `python -m bench._accept FOLDER` prints them as JSON."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

from tests.chaos.clients import Client, People, new_browser
from tests.chaos.cluster import Cluster, Size

STARTS = 400
STARTERS = 4


def main(folder: Path) -> None:
    """Start a small cluster, and start jobs while Valkey is treated badly."""
    cluster = Cluster(folder / "c", "postgresql", 1.0, Size(webs=1, workers=1, children=2, maintainers=1))
    people = People()
    measures: dict[str, float] = {}
    try:
        cluster.start()
        cookie = new_browser(cluster.ports[0])
        clients = [Client(cluster.ports, cookie, number) for number in range(STARTERS)]
        people.run(opened(clients)).result(30)
        for name, before, after in (
            ("up", None, None),
            ("away", cluster.valkey.kill, cluster.valkey.start),
            ("hung", cluster.valkey.freeze, cluster.valkey.thaw),
        ):
            if before is not None and after is not None:
                before()
            seconds = people.run(started(clients)).result(300)
            if after is not None:
                after()
            peer = "peer: " if name == "up" else ""
            measures[f"{peer}Valkey {name}: acknowledged (ms, median)"] = statistics.median(seconds) * 1000
            measures[f"{peer}Valkey {name}: acknowledged (ms, p99)"] = statistics.quantiles(seconds, n=100)[98] * 1000
    finally:
        people.close()
        cluster.stop()
    print(json.dumps(measures))


async def opened(clients: list[Client]) -> None:
    """Open every socket."""
    for client in clients:
        client.keeping = asyncio.get_running_loop().create_task(client.keep())
    await asyncio.gather(*(client.connected.wait() for client in clients))


async def started(clients: list[Client]) -> list[float]:
    """Start jobs from all clients side by side; returns how long each took."""

    async def some(client: Client) -> list[float]:
        found: list[float] = []
        for _ in range(STARTS // STARTERS):
            begun = time.perf_counter()
            answer = await client.ask(action="start", task="tests.chaos.jobs.quick")
            assert answer is not None
            assert answer["action"] == "ack", answer
            found.append(time.perf_counter() - begun)
        return found

    return [seconds for each in await asyncio.gather(*map(some, clients)) for seconds in each]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
