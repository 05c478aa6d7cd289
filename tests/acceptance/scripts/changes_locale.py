"""A locale that a job sets is gone in the next."""

import locale

from livejobs import live_job

BEFORE = locale.setlocale(locale.LC_ALL)


@live_job
def sets_a_locale():
    return locale.setlocale(locale.LC_TIME, "C.UTF-8" if "LC_TIME=C;" in BEFORE or BEFORE == "C" else "C") != BEFORE


@live_job
def asks_for_the_locale():
    return locale.setlocale(locale.LC_ALL) == BEFORE


STEPS = [("sets_a_locale", {}, {"result": True}), ("asks_for_the_locale", {}, {"result": True})]
