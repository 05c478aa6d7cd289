"""Threads of a job find the job: they log, print and report for it."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from livejobs import current_job, live_job


def fetch(number):
    current_job().log(f"job {number}")
    print("print", number)
    logging.info("record %d", number)
    return current_job().id is not None


@live_job
def asks_its_threads():
    with ThreadPoolExecutor(2) as pool:
        found = list(current_job().track(pool.map(fetch, range(3))))
    thread = threading.Thread(target=fetch, args=(3,))
    thread.start()
    thread.join()
    return found


EXPECT = {
    "result": [True, True, True],
    "log_count": 12,
    "log_each": r"(job|print|record) \d",
    "progress": [3, None],
}
