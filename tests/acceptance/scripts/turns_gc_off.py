"""The garbage collector that a job turned off is on in the next."""

import gc

from livejobs import live_job

THRESHOLD = gc.get_threshold()


@live_job
def turns_it_off():
    gc.disable()
    gc.set_threshold(1, 1, 1)


@live_job
def asks_for_gc():
    return [gc.isenabled(), gc.get_threshold() == THRESHOLD]


STEPS = [("turns_it_off", {}, {}), ("asks_for_gc", {}, {"result": [True, True]})]
