"""Hooks of the interpreter that a job replaced are back for the next one."""

import sys
import threading

from livejobs import live_job


@live_job
def hides_errors():
    sys.excepthook = threading.excepthook = lambda *_: None


@live_job
def has_a_thread_that_fails():
    def fail():
        raise ValueError("in the thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    return "the job went on"


STEPS = [
    ("hides_errors", {}, {}),
    ("has_a_thread_that_fails", {}, {"result": "the job went on", "log_has": ["ValueError: in the thread"]}),
]
