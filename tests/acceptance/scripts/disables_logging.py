"""logging.disable in one job is over in the next."""

import logging

from livejobs import live_job


@live_job
def says_nothing():
    logging.disable(logging.CRITICAL)
    logging.error("not to be seen")


@live_job
def says_something():
    logging.error("to be seen")


STEPS = [("says_nothing", {}, {"log": []}), ("says_something", {}, {"log": ["to be seen"]})]
