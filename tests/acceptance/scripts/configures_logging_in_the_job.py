"""basicConfig inside the function, as a script's main() does it: it takes effect, for this job only."""

import logging

from livejobs import live_job


@live_job
def configures_inside():
    logging.basicConfig(level=logging.DEBUG, format="%(levelname)s:%(name)s:%(message)s")
    logging.debug("detail")
    logging.getLogger("mylib").warning("careful")
    logging.basicConfig(level=logging.ERROR)  # a second one does nothing
    logging.info("still")


@live_job
def logs_unconfigured():
    logging.info("plain")
    logging.getLogger("mylib").debug("not to be seen")


STEPS = [
    (
        "configures_inside",
        {},
        {
            "log": ["DEBUG:root:detail", "WARNING:mylib:careful", "INFO:root:still"],
            "levels": {"DEBUG:root:detail": "debug", "WARNING:mylib:careful": "warning"},
        },
    ),
    ("logs_unconfigured", {}, {"log": ["plain"], "levels": {"plain": "info"}}),
]
