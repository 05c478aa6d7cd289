"""A traceback that is logged or printed is in the log, line by line: one as an error, the other as stderr."""

import logging
import traceback

from livejobs import live_job


@live_job
def logs_it():
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.exception("could not")
    try:
        raise KeyError("missing")
    except KeyError:
        traceback.print_exc()


EXPECT = {
    "log_has": ["could not", "Traceback (most recent call last):", "ValueError: wrong", "KeyError: 'missing'"],
    "levels": {"could not": "error", "ValueError: wrong": "error", "KeyError: 'missing'": "stderr"},
}
