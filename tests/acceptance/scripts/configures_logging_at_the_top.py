"""basicConfig at the top of the file, as in most scripts, is how all its jobs log."""

import logging
import sys

from livejobs import live_job

logging.basicConfig(level=logging.DEBUG, format="%(levelname)s|%(message)s", stream=sys.stdout)


@live_job
def logs_as_configured():
    print("print")
    logging.debug("detail")
    logging.getLogger("shop").warning("careful")


ALONE = True  # it would configure the logging of all other scripts
STEPS = [
    (
        "logs_as_configured",
        {},
        {
            "log": ["print", "DEBUG|detail", "WARNING|careful"],
            "levels": {"print": "info", "DEBUG|detail": "debug", "WARNING|careful": "warning"},
        },
    ),
    ("logs_as_configured", {}, {"log": ["print", "DEBUG|detail", "WARNING|careful"]}),
]
