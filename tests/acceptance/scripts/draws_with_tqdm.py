"""The bars of tqdm move the progress of a job that reports none itself, and each is one line of its log."""

import time
from pathlib import Path

from tqdm import tqdm

from livejobs import live_job


@live_job
def follows_tqdm():
    for _ in tqdm(range(20), desc="reading"):
        time.sleep(0.02)
    print("read")


@live_job
def follows_two_bars_of_tqdm():
    for _ in tqdm(range(20), desc="one"):
        time.sleep(0.01)
    for _ in tqdm(range(30), desc="two", postfix="last"):
        time.sleep(0.01)


@live_job
def stops_in_the_middle_of_tqdm():
    with tqdm(total=10, mininterval=0) as bar:
        bar.update(4)
        time.sleep(0.3)
        print("enough", flush=True)
        raise ValueError("no more")


@live_job
def shows_tqdm_in_the_middle():
    with tqdm(total=10, mininterval=0, desc="half") as bar:
        bar.update(5)
        while not Path("draws_with_tqdm.seen").exists():
            time.sleep(0.05)
        bar.update(5)


STEPS = [
    (
        "follows_tqdm",
        {},
        {"progress": [20, 20], "log": [{"re": r"reading: 100%\|█+\| 20/20 \[.*\]"}, "read"]},
    ),
    (
        "follows_two_bars_of_tqdm",
        {},
        {"progress": [30, 30], "message": "two · last", "log": [{"re": r"one: 100%.*"}, {"re": r"two: 100%.*"}]},
    ),
    (
        "stops_in_the_middle_of_tqdm",
        {},
        {"state": "failed", "progress": [4, 10], "log_has": [{"re": r" 40%\|.*"}]},
    ),
    (
        "shows_tqdm_in_the_middle",
        {},
        {"live_progress": [5, 10, "half"], "progress": [10, 10], "message": "half", "log_count": 1},
    ),
]
