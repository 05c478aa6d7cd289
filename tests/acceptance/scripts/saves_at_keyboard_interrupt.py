"""A trainer that saves its model at Ctrl-C saves it at a cancel, and is cancelled."""

import time

from livejobs import live_job


@live_job
def trains():
    try:
        print("waiting")
        while True:
            time.sleep(0.1)
    except KeyboardInterrupt:
        print("model saved")
        return "model"


EXPECT = {
    "state": "cancelled",
    "cancel_when": "waiting",
    "ends_within": 1,
    "log": ["waiting", "model saved"],
}
