"""Levels, filters and the propagation of loggers are as they were for the next job."""

import logging

from livejobs import live_job

log = logging.getLogger("warehouse")


@live_job
def makes_it_quiet():
    logging.getLogger().setLevel(logging.ERROR)
    log.setLevel(logging.CRITICAL)
    log.addFilter(lambda record: False)
    log.propagate = False
    log.error("not to be seen")


@live_job
def logs_in_the_quiet():
    log.info("a box")
    logging.getLogger("new.one").info("another")


STEPS = [("makes_it_quiet", {}, {"log": []}), ("logs_in_the_quiet", {}, {"log": ["a box", "another"]})]
