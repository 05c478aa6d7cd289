"""finally blocks and context managers do their work when a job is cancelled."""

import tempfile
import time
from pathlib import Path

from livejobs import live_job


@live_job
def has_things_to_clean():
    try:
        with tempfile.TemporaryDirectory(dir=".", prefix="cleans_up_"):
            print("waiting")
            time.sleep(60)
    finally:
        time.sleep(0.2)
        print("cleaned up")


@live_job
def looks_for_what_is_left():
    return [str(left) for left in Path().glob("cleans_up_*") if left.is_dir()]


STEPS = [
    (
        "has_things_to_clean",
        {},
        {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1, "log": ["waiting", "cleaned up"]},
    ),
    ("looks_for_what_is_left", {}, {"result": []}),
]
