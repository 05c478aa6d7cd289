"""A loop with track, with progress or with check_cancelled stops at its next step."""

import time

from livejobs import current_job, live_job


@live_job
def tracks():
    print("waiting")
    for _ in current_job().track(range(10_000)):
        time.sleep(0.02)


@live_job
def reports():
    print("waiting")
    for number in range(10_000):
        time.sleep(0.02)
        current_job().progress(number, 10_000)


@live_job
def checks():
    print("waiting")
    while True:
        time.sleep(0.02)
        current_job().check_cancelled()


STEPS = [
    ("tracks", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 0.3}),
    ("reports", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 0.3}),
    ("checks", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 0.3}),
]
