"""A default timeout for sockets ends with the job that set it."""

import socket

from livejobs import live_job


@live_job
def is_impatient():
    socket.setdefaulttimeout(0.001)


@live_job
def has_patience():
    return socket.getdefaulttimeout()


STEPS = [("is_impatient", {}, {}), ("has_patience", {}, {"result": None})]
