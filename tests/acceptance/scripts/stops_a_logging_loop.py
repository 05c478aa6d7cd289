"""A loop that logs stops at its next record."""

import logging
import time

from livejobs import live_job


@live_job
def logs_for_ever():
    logging.info("waiting")
    while True:
        logging.info("a record")
        time.sleep(0.05)


@live_job
def logs_to_its_job_for_ever():
    from livejobs import current_job

    current_job().log("waiting")
    while True:
        current_job().log("a line")
        time.sleep(0.05)


STEPS = [
    ("logs_for_ever", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 0.3}),
    ("logs_to_its_job_for_ever", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 0.3}),
]
