"""faulthandler works, and says what it says in the log."""

import faulthandler

from livejobs import live_job


@live_job
def dumps_its_stack():
    faulthandler.enable()
    faulthandler.dump_traceback()
    print("went on")


EXPECT = {"log_has": [{"re": r'  File ".*enables_faulthandler\.py", line \d+ in dumps_its_stack'}, "went on"]}
