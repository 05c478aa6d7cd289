"""A deadlock is cancelled within a second."""

import threading

from livejobs import live_job

lock = threading.Lock()


@live_job
def locks_twice():
    lock.acquire()
    print("waiting")
    lock.acquire()


@live_job
def locks_once():
    return lock.acquire(timeout=1)


STEPS = [
    ("locks_twice", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}),
    ("locks_once", {}, {"result": True}),
]
