"""Futures that nobody waited for end with their job."""

import time
from concurrent.futures import ThreadPoolExecutor

from livejobs import live_job

pool = ThreadPoolExecutor(2)


def late(number):
    time.sleep(0.05)
    print("late work", number)


@live_job
def forgets_futures():
    for number in range(40):
        pool.submit(late, number)
    return "did not wait"


@live_job
def comes_after_futures():
    time.sleep(0.4)
    print("mine")


STEPS = [
    ("forgets_futures", {}, {"result": "did not wait"}),
    ("comes_after_futures", {}, {"log": ["mine"]}),
]
