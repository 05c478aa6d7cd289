"""Limits that a job sets for itself do not bind the next."""

import resource

from livejobs import live_job

BEFORE = resource.getrlimit(resource.RLIMIT_NOFILE)


@live_job
def limits_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return resource.getrlimit(resource.RLIMIT_NOFILE)


@live_job
def opens_many():
    files = [open("/dev/null") for _ in range(100)]
    return [len(files), resource.getrlimit(resource.RLIMIT_NOFILE) == BEFORE]


STEPS = [("limits_files", {}, {"result": [64, 64]}), ("opens_many", {}, {"result": [100, True]})]
