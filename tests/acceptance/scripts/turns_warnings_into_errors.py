"""Warnings that are errors in one job are warnings in the next, and shown."""

import warnings

from livejobs import live_job


@live_job
def is_strict():
    warnings.simplefilter("error")
    warnings.warn("careful", stacklevel=1)


@live_job
def is_easy():
    warnings.warn("take care", stacklevel=1)
    return "went on"


@live_job
def hears_nothing():
    warnings.filterwarnings("ignore")
    warnings.warn("not to be seen", stacklevel=1)


STEPS = [
    (
        "is_strict",
        {},
        {"state": "failed", "error": {"reason": "exception", "type": "UserWarning", "message": "careful"}},
    ),
    (
        "is_easy",
        {},
        {"result": "went on", "log_has": [{"re": r".+/turns_warnings_into_errors\.py:\d+: UserWarning: take care"}]},
    ),
    ("hears_nothing", {}, {"log": []}),
]
