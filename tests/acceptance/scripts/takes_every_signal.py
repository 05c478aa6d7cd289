"""A job that takes every signal there is can be cancelled, and so can the next."""

import signal
import time

from livejobs import live_job


@live_job
def takes_them_all():
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD) and number < 32:
            signal.signal(number, signal.SIG_IGN)


@live_job
def sleeps_after_that():
    print("waiting")
    time.sleep(60)


STEPS = [
    ("takes_them_all", {}, {}),
    ("sleeps_after_that", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}),
]
