"""A job with threads that it waited for leaves a runner that stays: what is loaded is still there."""

import threading

from livejobs import live_job

KEPT = []


@live_job
def works_in_threads():
    threads = [threading.Thread(target=KEPT.append, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(KEPT)


STEPS = [("works_in_threads", {}, {"result": 3}), ("works_in_threads", {}, {"result": 6})]
