"""The maintenance process: dispatcher, scheduler, rescuer and pruner on timers. Any number may run.

Each duty has a thread and a connection of its own: a broker that hangs must not keep a due job waiting, nor a long
deletion the rescuer.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import InterfaceError, OperationalError, connections

from livejobs.conf import conf
from livejobs.database.timeouts import Watched, bound_connecting
from livejobs.health import presence
from livejobs.log_events import LogEvent, fields
from livejobs.maintenance.dispatcher import Dispatcher
from livejobs.maintenance.pruner import prune
from livejobs.maintenance.rescuer import Rescuer
from livejobs.maintenance.scheduler import queue_due

logger = logging.getLogger("livejobs.maintenance")

LOOK_SECONDS = 1.0
HUNG_SECONDS = 8.0  # without any query beginning or ending: the way to the database is gone
END_SECONDS = 3.0  # how long a round under way may take to end when the process is told to stop


@dataclass(slots=True)
class Duty:
    """Something done every so often."""

    name: str
    every: float  # seconds
    work: Callable[[], object]
    failing: bool = False
    watched: Watched = field(default_factory=lambda: Watched(HUNG_SECONDS))


def run(stop: threading.Event | None = None, more: Sequence[Duty] = ()) -> None:
    """Do the duties until SIGTERM, SIGINT or `stop`.

    :param more: duties beside ours.
    :param stop: set by a caller that runs this in a thread; then no signal handler is installed.
    """
    if stop is None:
        stop = _stop_on_signals()
    name = presence.process_name()
    dispatcher, rescuer = Dispatcher(), Rescuer(name)
    duties = [
        Duty("dispatcher", conf.DISPATCH_SECONDS, dispatcher.round),
        Duty("scheduler", conf.SCHEDULE_SECONDS, queue_due),
        Duty("rescuer", conf.BEAT_SECONDS, rescuer.round),
        Duty("pruner", conf.PRUNE_SECONDS, prune),
        Duty("presences", 60.0, presence.forget_old),
        *more,
    ]
    threads = [
        threading.Thread(target=_keep_doing, args=(duty, stop), name=f"livejobs-{duty.name}", daemon=True)
        for duty in duties
    ]
    for thread in threads:
        thread.start()
    while not stop.wait(LOOK_SECONDS):
        for duty in duties:
            duty.watched.cut_off_hung_call()
    end_at = time.monotonic() + END_SECONDS
    for thread in threads:
        thread.join(max(0.0, end_at - time.monotonic()))
    dispatcher.close()
    _leave(name)
    connections.close_all()


def _keep_doing(duty: Duty, stop: threading.Event) -> None:
    bound_connecting()
    while not stop.is_set():
        began = time.monotonic()
        _do(duty)
        stop.wait(max(0.0, began + duty.every - time.monotonic()))
    connections.close_all()


def _do(duty: Duty) -> None:
    try:
        with duty.watched.under_way():
            duty.work()
    except (OperationalError, InterfaceError) as error:
        _trouble(duty, "The database does not answer (%s); the %s tries on", str(error).strip(), duty.name)
        connections[conf.DATABASE].close()
    except Exception:
        logger.exception("The %s stumbled and tries on", duty.name, extra=fields(LogEvent.DUTY_FAILED, duty=duty.name))
        connections[conf.DATABASE].close()
    else:
        if duty.failing:
            logger.warning("The %s works again", duty.name, extra=fields(LogEvent.DUTY_RESTORED, duty=duty.name))
        duty.failing = False


def _trouble(duty: Duty, message: str, *args: Any) -> None:
    if not duty.failing:
        logger.warning(message, *args, extra=fields(LogEvent.DATABASE_DOWN, duty=duty.name))
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
