"""Where a command that is run beside a server finds its settings: those of a host project, or of `livejobs up`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from livejobs.server.data import running
from livejobs.server.environment import OUTSIDE, SETTINGS_MODULE
from livejobs.server.failures import StartError

SETTINGS_VARIABLE: Final = "DJANGO_SETTINGS_MODULE"


def has_host(variables: MutableMapping[str, str] = os.environ) -> bool:
    """Whether DJANGO_SETTINGS_MODULE names the settings of a host project."""
    return variables.get(SETTINGS_VARIABLE, SETTINGS_MODULE) not in ("", SETTINGS_MODULE)


def set_up() -> None:
    """Set Django up: for the host project that DJANGO_SETTINGS_MODULE names, else with our own settings.

    :raises StartError: there are no such settings.
    """
    if has_host():
        _find_host()
    else:
        os.environ[SETTINGS_VARIABLE] = SETTINGS_MODULE
    import django

    django.setup()


def _find_host() -> None:
    """Make the host's modules importable from its folder, as `celery -A` does."""
    here, name = os.getcwd(), os.environ[SETTINGS_VARIABLE]
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise StartError(
            f"{SETTINGS_VARIABLE} is {name}, and there is no module {error.name} here; go to the project's folder."
        ) from None


def join(data: Path, variables: MutableMapping[str, str] = os.environ) -> None:
    """Have this process use the servers of the `livejobs up` that runs on a data folder.

    Where none runs, REDIS_URL and DATABASE_URL together say enough.

    :raises StartError: no server runs there, or it uses servers outside that this process was not told.
    """
    found = running(data)
    if found is None and not all(variables.get(name) for name in OUTSIDE):
        raise StartError(f"No livejobs up runs on {data}; start one, or name its folder with --data.")
    if found is not None:
        for name in OUTSIDE:
            if name not in found.outside:
                variables.pop(name, None)
            elif not variables.get(name):
                raise StartError(f"The server on {data} was started with {name}; set it here too.")
        variables["LIVEJOBS_VALKEY_SOCKET"] = found.valkey
    for name in ("LIVEJOBS_RUNTIME", "LIVEJOBS_TASKS"):
        variables.pop(name, None)
    variables.update({"LIVEJOBS_DATA": str(data), SETTINGS_VARIABLE: SETTINGS_MODULE})
