"""Of tqdm in tqdm the outer bar moves the progress; each bar is one line of the log, however often it is drawn."""

import time
from pathlib import Path

from tqdm import tqdm

from livejobs import live_job


@live_job
def draws_tqdm_in_tqdm():
    for _ in tqdm(range(3), desc="outer"):
        for _ in tqdm(range(15), desc="inner"):
            time.sleep(0.02)
    print("done")


@live_job
def draws_tqdm_in_tqdm_and_removes_it():
    for number in tqdm(range(3), desc="outer"):
        for _ in tqdm(range(15), desc="inner", leave=False):
            time.sleep(0.01)
        tqdm.write(f"hint {number}")
    print("done")


@live_job
def shows_the_outer_tqdm():
    with tqdm(total=3, mininterval=0, desc="outer") as outer:
        outer.update(1)
        with tqdm(total=9, mininterval=0, desc="inner") as inner:
            inner.update(8)
            while not Path("draws_with_tqdm_in_tqdm.seen").exists():
                inner.refresh()
                time.sleep(0.01)
        outer.update(2)


STEPS = [
    (
        "draws_tqdm_in_tqdm",
        {},
        {
            "progress": [3, 3],
            "message": "outer",
            "log": [
                {"re": "inner: 100%.*"},
                {"re": "inner: 100%.*"},
                {"re": "inner: 100%.*"},
                {"re": "outer: 100%.*"},
                "done",
            ],
        },
    ),
    (
        "draws_tqdm_in_tqdm_and_removes_it",
        {},
        {
            "progress": [3, 3],
            "log": ["hint 0", "hint 1", "hint 2", {"re": "outer: 100%.*"}, "done"],
        },
    ),
    (
        "shows_the_outer_tqdm",
        {},
        {"live_progress": [1, 3, "outer"], "progress": [3, 3], "log_count": 2},
    ),
]
