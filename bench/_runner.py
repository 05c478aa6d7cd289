"""The process of `runner.py`."""

from __future__ import annotations

import json
import os
import signal
import statistics
import time

ROUNDS = 400


def main() -> None:
    """Measure, alternating with the peer; print JSON."""
    import django

    django.setup()
    import celery.backends.base  # noqa: F401 - a worker has it, and its app is finalized, before it forks a zygote

    from livejobs.definition import Attempt, registry
    from livejobs.hints import publishing
    from livejobs.runner.perform import perform
    from livejobs.worker import zygotes
    from livejobs.worker.output_reader import OutputReader
    from livejobs.worker.place import Death, Place
    from tests import jobs  # noqa: F401

    publishing.celery_app().finalize()
    place = Place(zygotes.start_first, zygotes.execute)
    live_job = registry.get("tests.jobs.at_once")
    assert live_job is not None
    order = {"job": 1, "attempt": 1, "task": live_job.name, "params": {}, "timeout": None, "owner_key": ""}

    def attempt() -> dict | Death:
        attempt = Attempt(1, 1, live_job.name)
        place.beat()
        attempt.share(place.cells)
        ended = place.run(order, OutputReader(attempt))
        return ended

    warm, here, fresh, died = [], [], [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        assert attempt() == {"result": "done"}
        warm.append(time.perf_counter() - begun)
        place.settle()
        begun = time.perf_counter()
        perform(live_job, {}, Attempt(1, 1, live_job.name), max_result_bytes=1 << 20)
        here.append(time.perf_counter() - begun)
    for _ in range(ROUNDS // 10):
        place.settle(fresh=True)
        begun = time.perf_counter()
        assert attempt() == {"result": "done"}
        fresh.append(time.perf_counter() - begun)
    for _ in range(ROUNDS // 10):
        attempt()
        place.settle()
        killed_at = time.perf_counter()
        os.kill(place.runner, signal.SIGKILL)
        assert attempt() == {"result": "done"} or isinstance(attempt(), dict)
        died.append(time.perf_counter() - killed_at)
    place.close()
    millis = 1000.0
    print(json.dumps({
        "a warm attempt (ms, median)": statistics.median(warm) * millis,
        "a warm attempt (ms, 95 of 100)": sorted(warm)[int(len(warm) * 0.95)] * millis,
        "peer: the function called by the agent (ms, median)": statistics.median(here) * millis,
        "an attempt in a new runner (ms, median)": statistics.median(fresh) * millis,
        "a death between two jobs, and the next attempt (ms)": statistics.median(died) * millis,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
