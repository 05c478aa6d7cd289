"""What the supervisor tells its parts, as environment variables, and what each part reads back.

The variables are also how processes on other machines are told where the servers are, so every one has a default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livejobs.server import handover
from livejobs.server.failures import StartError

SETTINGS_MODULE: Final = "livejobs.server.project.settings"
DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000
DEFAULT_DATA: Final = ".livejobs"

OUTSIDE: Final = ("REDIS_URL", "DATABASE_URL")  # name servers to use instead of the built-in ones

# Celery reads these itself and prefers them over its settings: one left over from another project would send our
# jobs to that project's broker.
FOREIGN: Final = (
    "CELERY_APP",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_CONFIG_MODULE",
    "CELERY_LOADER",
    "CELERY_RESULT_BACKEND",
)


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything a part needs to know about the server it belongs to.

    :param tasks: the file or dotted module with the jobs; empty for none.
    :param data: the data folder.
    :param runtime: the folder of sockets and ready marks; None outside a supervisor.
    :param redis_url: a Redis or Valkey outside; empty for the embedded one.
    :param database_url: a database outside; empty for the embedded SQLite.
    :param workers: the number of worker children.
    :param reload: whether a jobs file that was saved is served at once.
    :param strict: whether a function that cannot be served keeps the others from being served.
    """

    tasks: str = ""
    data: Path = Path(DEFAULT_DATA)
    runtime: Path | None = None
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    workers: int = 2
    redis_url: str = ""
    database_url: str = ""
    strict: bool = False
    reload: bool = False

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ, addresses: Mapping[str, str] | None = None) -> Environment:
        """Read what the supervisor wrote, with defaults for what it did not.

        :param addresses: REDIS_URL and DATABASE_URL; without, as they were handed over to this process.
        :raises StartError: an address that the server has is not known here: others would be taken for its own.
        """
        addresses = handover.take() if addresses is None else addresses
        for name in filter(None, variables.get("LIVEJOBS_OUTSIDE", "").split(",")):
            if not addresses.get(name):
                raise StartError(
                    f"{name} is not set here: livejobs up keeps it out of the environment of jobs. A program that uses"
                    " the server's database or broker has to be given it."
                )
        runtime = variables.get("LIVEJOBS_RUNTIME", "")
        return cls(
            tasks=variables.get("LIVEJOBS_TASKS", ""),
            data=Path(variables.get("LIVEJOBS_DATA") or DEFAULT_DATA).absolute(),
            runtime=Path(runtime) if runtime else None,
            host=variables.get("LIVEJOBS_HOST") or DEFAULT_HOST,
            port=int(variables.get("LIVEJOBS_PORT") or DEFAULT_PORT),
            workers=int(variables.get("LIVEJOBS_WORKERS") or default_workers()),
            redis_url=addresses.get("REDIS_URL", ""),
            database_url=addresses.get("DATABASE_URL", ""),
            reload=variables.get("LIVEJOBS_RELOAD") == "1",
            strict=variables.get("LIVEJOBS_STRICT") == "1",
        )

    @property
    def valkey_socket(self) -> Path:
        """Where the embedded Valkey listens."""
        if self.runtime is not None:
            return self.runtime / "valkey.sock"
        return Path(os.environ.get("LIVEJOBS_VALKEY_SOCKET") or self.data / "valkey.sock")

    @property
    def redis(self) -> str:
        """The URL of the Redis or Valkey in use, without a database number where none was given."""
        return self.redis_url or f"unix://{self.valkey_socket}"

    def addresses(self) -> dict[str, str]:
        """What a part gets beside its variables (`handover`), for there are passwords in it."""
        return {"REDIS_URL": self.redis_url, "DATABASE_URL": self.database_url}

    def variables(self) -> dict[str, str]:
        """What a part gets: our own environment, ours added, what would mislead Celery or Django taken out."""
        result = {name: value for name, value in os.environ.items() if name not in (*FOREIGN, *OUTSIDE)}
        result |= {
            "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
            "LIVEJOBS_TASKS": self.tasks,
            "LIVEJOBS_DATA": str(self.data),
            "LIVEJOBS_RUNTIME": str(self.runtime or ""),
            "LIVEJOBS_HOST": self.host,
            "LIVEJOBS_PORT": str(self.port),
            "LIVEJOBS_WORKERS": str(self.workers),
            "LIVEJOBS_VALKEY_SOCKET": "" if self.redis_url else str(self.valkey_socket),
            "LIVEJOBS_OUTSIDE": ",".join(name for name, address in self.addresses().items() if address),
            "LIVEJOBS_RELOAD": "1" if self.reload else "",
            "LIVEJOBS_STRICT": "1" if self.strict else "",
            "PYTHONUNBUFFERED": "1",
        }
        return result


def default_workers() -> int:
    """Return one worker child per processor, at least 2 and at most 4."""
    return max(2, min(4, os.cpu_count() or 1))
