"""A job that lives in Tokyo does not take the next one there."""

import os
import time

from livejobs import live_job

NAME, HOUR = time.tzname, time.strftime("%H", time.localtime(0))


@live_job
def lives_in_tokyo():
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    return time.strftime("%H", time.localtime(0))


@live_job
def asks_for_the_hour():
    return [time.tzname == NAME, time.strftime("%H", time.localtime(0)) == HOUR]


STEPS = [
    ("lives_in_tokyo", {}, {"result": "09"}),
    ("asks_for_the_hour", {}, {"result": [True, True]}),
]
