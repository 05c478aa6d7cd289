"""basicConfig(force=True) shows each line once, in its own level; the next job knows nothing of it."""

import logging

from livejobs import live_job


@live_job
def forces():
    logging.basicConfig(level=logging.DEBUG, format="%(levelname)s:%(message)s", force=True)
    logging.debug("detail")
    logging.getLogger("mylib").info("hello")


@live_job
def logs_after_force():
    logging.debug("not to be seen")
    logging.getLogger("mylib").info("hello again")


STEPS = [
    (
        "forces",
        {},
        {"log": ["DEBUG:detail", "INFO:hello"], "levels": {"DEBUG:detail": "debug", "INFO:hello": "info"}},
    ),
    ("logs_after_force", {}, {"log": ["hello again"], "levels": {"hello again": "info"}}),
]
