"""A thread that a job leaves running says nothing in the next job's log, nor moves its bar."""

import threading
import time

from livejobs import current_job, live_job

SEEN = []


@live_job
def leaves_a_ghost():
    def haunt():
        for number in range(300):
            current_job().progress(number, 300, "ghost")
            print("boo")
            time.sleep(0.01)

    SEEN.append("the ghost was here")
    threading.Thread(target=haunt, daemon=True).start()


@live_job
def is_haunted():
    time.sleep(0.5)
    return [threading.active_count(), SEEN]


STEPS = [
    ("leaves_a_ghost", {}, {}),
    ("is_haunted", {}, {"log": [], "result": [1, []], "progress": None}),
]
