"""The usual recipe: a logger of the module with a handler over sys.stdout, and no propagation."""

import logging
import sys

from livejobs import live_job

log = logging.getLogger("recipe")
log.setLevel(logging.DEBUG)
log.propagate = False
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(logging.Formatter("[%(levelname)s] %(message)s"))
log.addHandler(handler)


@live_job
def logs_by_recipe():
    print("first")
    log.debug("second")
    log.error("third")
    print("fourth")


STEPS = [
    (
        "logs_by_recipe",
        {},
        {
            "log": ["first", "[DEBUG] second", "[ERROR] third", "fourth"],
            "levels": {"[DEBUG] second": "debug", "[ERROR] third": "error", "fourth": "info"},
        },
    ),
    ("logs_by_recipe", {}, {"log": ["first", "[DEBUG] second", "[ERROR] third", "fourth"]}),
]
