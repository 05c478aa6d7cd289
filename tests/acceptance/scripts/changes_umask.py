"""Files of the next job can be read, whatever the umask of this one."""

import os
import tempfile
from pathlib import Path

from livejobs import live_job


@live_job
def lets_nobody_in():
    os.umask(0o777)


@live_job
def writes_a_file():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "file")
        file.write_text("mine")
        return oct(file.stat().st_mode & 0o700)


STEPS = [("lets_nobody_in", {}, {}), ("writes_a_file", {}, {"result": "0o600"})]
