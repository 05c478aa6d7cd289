"""The maintenance process: dispatcher and rescuer on a timer. Any number may run."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import InterfaceError, OperationalError, connections

from livejobs import presence
from livejobs.conf import conf
from livejobs.maintenance.dispatcher import Dispatcher
from livejobs.maintenance.rescuer import Rescuer

logger = logging.getLogger("livejobs.maintenance")


@dataclass(slots=True)
class Duty:
    """Something done every so often."""

    name: str
    every: float  # seconds
    work: Callable[[], object]
    due_at: float = 0.0
    failing: bool = False


def run(stop: threading.Event | None = None) -> None:
    """Do the duties until SIGTERM, SIGINT or `stop`.

    :param stop: set by a caller that runs this in a thread; then no signal handler is installed.
    """
    if stop is None:
        stop = _stop_on_signals()
    name = presence.process_name()
    dispatcher, rescuer = Dispatcher(), Rescuer(name)
    duties = [
        Duty("dispatcher", conf.DISPATCH_SECONDS, dispatcher.round),
        Duty("rescuer", conf.BEAT_SECONDS, rescuer.round),
        Duty("presences", 60.0, presence.forget_old),
    ]
    while not stop.is_set():
        for duty in duties:
            if time.monotonic() >= duty.due_at and not stop.is_set():
                _do(duty)
        stop.wait(max(0.0, min(duty.due_at for duty in duties) - time.monotonic()))
    _leave(name)
    connections.close_all()


def _do(duty: Duty) -> None:
    try:
        duty.work()
    except (OperationalError, InterfaceError) as error:
        _trouble(duty, "The database does not answer (%s); the %s tries on", str(error).strip(), duty.name)
        connections[conf.DATABASE].close()
    except Exception:
        logger.exception("The %s stumbled and tries on", duty.name)
        connections[conf.DATABASE].close()
    else:
        if duty.failing:
            logger.warning("The %s works again", duty.name)
        duty.failing = False
    duty.due_at = time.monotonic() + duty.every


def _trouble(duty: Duty, message: str, *args: Any) -> None:
    if not duty.failing:
        logger.warning(message, *args)
    duty.failing = True


def _leave(name: str) -> None:
    try:
        presence.leave(presence.MAINTENANCE, name)
    except Exception:
        logger.debug("The presence of %s stays until it is forgotten", name, exc_info=True)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
