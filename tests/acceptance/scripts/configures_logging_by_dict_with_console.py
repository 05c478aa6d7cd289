"""The dictConfig of every tutorial, with a console handler: each record once, with its level, in that job only."""

import logging
import logging.config

from livejobs import live_job

CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"short": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "short", "stream": "ext://sys.stdout"}},
    "root": {"level": "DEBUG", "handlers": ["console"]},
}


@live_job
def configures_a_console():
    logging.config.dictConfig(CONFIG)
    logging.getLogger("bakery").debug("flour")
    logging.getLogger("bakery").warning("no salt")


@live_job
def logs_without_console():
    logging.getLogger("bakery").debug("not to be seen")
    logging.getLogger("bakery").warning("no salt again")


STEPS = [
    (
        "configures_a_console",
        {},
        {
            "log": ["DEBUG bakery: flour", "WARNING bakery: no salt"],
            "levels": {"DEBUG bakery: flour": "debug", "WARNING bakery: no salt": "warning"},
        },
    ),
    ("logs_without_console", {}, {"log": ["no salt again"]}),
]
