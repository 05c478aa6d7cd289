"""A loop that prints stops at its next line, whole."""

import time

from livejobs import live_job


@live_job
def prints_for_ever():
    print("waiting")
    while True:
        print("a line", "of", "parts")
        time.sleep(0.05)


EXPECT = {
    "state": "cancelled",
    "cancel_when": "waiting",
    "ends_within": 0.3,
    "log_each": r"waiting|a line of parts",
}
