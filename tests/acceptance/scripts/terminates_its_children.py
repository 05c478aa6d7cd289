"""terminate() and SIGINT end what a job started, as in any script."""

import multiprocessing
import signal
import subprocess
import sys
import time

from livejobs import live_job


@live_job
def terminates():
    program = subprocess.Popen(["sleep", "60"])
    python = subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"], stdout=-1)
    python.stdout.readline()
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    program.terminate()
    python.send_signal(signal.SIGINT)
    process.terminate()
    process.join()
    return [program.wait(), python.wait(), process.exitcode]


EXPECT = {"result": [-15, -2, -15], "takes": [0, 3], "leaves_nothing": True}
