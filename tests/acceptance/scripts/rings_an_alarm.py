"""An alarm inside a job does what it does in any script."""

import signal
import time

from livejobs import live_job


class TooSlowError(Exception):
    pass


def ring(number, frame):
    raise TooSlowError("the alarm rang")


@live_job
def limits_itself():
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        time.sleep(5)
    except TooSlowError as error:
        return str(error)


EXPECT = {"result": "the alarm rang"}
