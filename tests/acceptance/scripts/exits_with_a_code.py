"""sys.exit(2) fails with the code and the last line of stderr."""

import logging
import sys

from livejobs import live_job


@live_job
def exits_with_two():
    print("reading customers")
    print("no such customer:", 7, file=sys.stderr)
    print("bye")
    sys.exit(2)


@live_job
def exits_in_silence():
    sys.exit(4)


@live_job
def exits_after_logging():
    logging.error("the disk is full")
    sys.exit(1)


STEPS = [
    (
        "exits_with_two",
        {},
        {"state": "failed", "error": {"reason": "exception", "message": "Exited with code 2: no such customer: 7"}},
    ),
    ("exits_in_silence", {}, {"state": "failed", "error": {"message": "Exited with code 4"}}),
    ("exits_after_logging", {}, {"state": "failed", "error": {"message": "Exited with code 1: the disk is full"}}),
]
