"""os.fork as in every script: the child says its words and exits, the parent hears its code."""

import os

from livejobs import live_job


@live_job
def forks_once():
    print("before")
    pid = os.fork()
    if pid == 0:
        print("in the child")
        os._exit(3)
    _, status = os.waitpid(pid, 0)
    print("after")
    return os.waitstatus_to_exitcode(status)


@live_job
def returns_in_both():
    pid = os.fork()
    if pid == 0:
        print("in the child")
        return "from the child"
    os.waitpid(pid, 0)
    return "from the parent"


@live_job
def raises_in_the_child():
    pid = os.fork()
    if pid == 0:
        raise RuntimeError("in the child")
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


STEPS = [
    ("forks_once", {}, {"log": ["before", "in the child", "after"], "result": 3, "leaves_nothing": True}),
    ("returns_in_both", {}, {"log": ["in the child"], "result": "from the parent", "leaves_nothing": True}),
    ("raises_in_the_child", {}, {"result": 1, "log_has": ["RuntimeError: in the child"], "leaves_nothing": True}),
]
