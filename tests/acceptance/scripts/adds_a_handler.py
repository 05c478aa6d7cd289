"""A handler that a job adds shows each record once, and is gone in the next job."""

import logging
import sys

from livejobs import live_job

log = logging.getLogger("bank")


@live_job
def adds_stdout():
    log.setLevel(logging.INFO)
    log.addHandler(logging.StreamHandler(sys.stdout))
    log.info("deposit")


@live_job
def logs_after_the_handler():
    log.info("withdrawal")
    print("done")


STEPS = [
    ("adds_stdout", {}, {"log": ["deposit"], "levels": {"deposit": "info"}}),
    ("adds_stdout", {}, {"log": ["deposit"]}),
    ("logs_after_the_handler", {}, {"log": ["withdrawal", "done"]}),
]
