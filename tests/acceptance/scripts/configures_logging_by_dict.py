"""dictConfig in a job silences neither what is logged in the next, nor its levels."""

import logging
import logging.config

from livejobs import live_job

log = logging.getLogger("shop.orders")


@live_job
def configures():
    logging.config.dictConfig({"version": 1, "root": {"level": "WARNING"}})


@live_job
def logs_after_dict_config():
    log.info("an order")
    log.error("a lost order")
    logging.warning("the root says this")


STEPS = [
    ("configures", {}, {}),
    (
        "logs_after_dict_config",
        {},
        {
            "log": ["an order", "a lost order", "the root says this"],
            "levels": {"an order": "info", "a lost order": "error", "the root says this": "warning"},
        },
    ),
]
