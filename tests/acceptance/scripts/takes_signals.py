"""Handlers that a job sets are not there for the next one."""

import signal

from livejobs import live_job


def handle(number, frame):
    print("got", number)


@live_job
def sets_handlers():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGALRM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, handle)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    signal.raise_signal(signal.SIGTERM)


@live_job
def looks_at_handlers():
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGALRM, signal.SIGHUP, signal.SIGPIPE)
    return [
        any(signal.getsignal(number) is handle for number in numbers),
        signal.SIGUSR1 in signal.pthread_sigmask(0, []),
    ]


STEPS = [
    ("sets_handlers", {}, {"log": ["got 15"]}),
    ("looks_at_handlers", {}, {"result": [False, False]}),
]
