"""A job that sleeps is cancelled within a second, and the next one runs."""

import time

from livejobs import live_job


@live_job
def sleeps():
    print("waiting")
    time.sleep(60)
    print("not to be seen")


@live_job
def runs_after_the_sleeper():
    return "ran"


STEPS = [
    ("sleeps", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1, "log": ["waiting"]}),
    ("runs_after_the_sleeper", {}, {"result": "ran"}),
]
