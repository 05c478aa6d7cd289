"""A job that waits for its own queue, event or thread is cancelled within a second."""

import queue
import threading
import time

from livejobs import live_job


@live_job
def waits_for_a_queue():
    print("waiting")
    queue.Queue().get()


@live_job
def waits_for_an_event():
    print("waiting")
    threading.Event().wait()


@live_job
def waits_for_a_thread():
    thread = threading.Thread(target=time.sleep, args=(60,))
    thread.start()
    print("waiting")
    thread.join()


STEPS = [
    ("waits_for_a_queue", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}),
    ("waits_for_an_event", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}),
    ("waits_for_a_thread", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1}),
]
