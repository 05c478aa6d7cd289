"""A job that reported once and then only prints, or only logs, stops at its next line all the same."""

import logging
import time

from livejobs import current_job, live_job


@live_job
def reports_once_and_prints():
    current_job().progress(0, 10)
    print("waiting")
    while True:
        time.sleep(0.05)
        print("a line")


@live_job
def reports_once_and_logs():
    current_job().progress(0, 10)
    print("waiting")
    while True:
        time.sleep(0.05)
        logging.info("a record")


@live_job
def reports_once_and_logs_to_its_job():
    current_job().progress(0, 10)
    print("waiting")
    while True:
        time.sleep(0.05)
        current_job().log("a line")


STEPS = [
    ("reports_once_and_prints", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 0.3}),
    ("reports_once_and_logs", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 0.3}),
    ("reports_once_and_logs_to_its_job", {}, {"state": "cancelled", "cancel_when": "waiting", "ends_within": 0.3}),
]
