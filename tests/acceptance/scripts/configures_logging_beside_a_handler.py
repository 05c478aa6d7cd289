"""dictConfig in one job takes neither the handler nor the levels of another job's module."""

import logging
import logging.config
import sys

from livejobs import live_job

log = logging.getLogger("beside")
log.setLevel(logging.DEBUG)
log.propagate = False
log.addHandler(logging.StreamHandler(sys.stdout))


@live_job
def configures_another():
    logging.config.dictConfig({"version": 1, "root": {"level": "ERROR"}})


@live_job
def logs_beside():
    log.debug("detail")
    log.error("fault")


STEPS = [
    ("logs_beside", {}, {"log": ["detail", "fault"], "levels": {"detail": "debug", "fault": "error"}}),
    ("configures_another", {}, {"log": []}),
    ("logs_beside", {}, {"log": ["detail", "fault"], "levels": {"detail": "debug", "fault": "error"}}),
]
