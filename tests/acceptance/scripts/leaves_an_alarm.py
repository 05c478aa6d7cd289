"""An alarm that one job set never rings in the next."""

import signal
import time

from livejobs import live_job


@live_job
def sets_an_alarm():
    signal.alarm(1)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.2)


@live_job
def sleeps_over_it():
    begun = time.monotonic()
    while time.monotonic() < begun + 0.4:
        pass
    time.sleep(0.8)
    return "slept well"


STEPS = [("sets_an_alarm", {}, {}), ("sleeps_over_it", {}, {"result": "slept well"})]
