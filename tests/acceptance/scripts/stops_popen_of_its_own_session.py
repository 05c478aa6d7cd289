"""A browser in a session of its own, as Playwright starts it, ends with the cancelled job."""

import subprocess

from livejobs import live_job


@live_job
def drives_a_browser():
    browser = subprocess.Popen(["sleep", "300"], start_new_session=True)
    print("waiting")
    browser.wait()


EXPECT = {"state": "cancelled", "cancel_when": "waiting", "ends_within": 1, "leaves_nothing": True}
