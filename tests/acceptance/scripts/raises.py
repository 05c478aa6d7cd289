"""An exception is the error: type, message, and once."""

from livejobs import live_job


class NotEnoughError(Exception):
    pass


@live_job
def raises_its_own():
    print("before")
    raise NotEnoughError("Grüße: nicht genug\nzweite Zeile")


@live_job
def recurses():
    return recurses()


@live_job
def wants_all_memory():
    return len(bytearray(2**60))


STEPS = [
    (
        "raises_its_own",
        {},
        {
            "state": "failed",
            "log": ["before"],
            "error": {
                "reason": "exception",
                "type": "NotEnoughError",
                "message": "Grüße: nicht genug\nzweite Zeile",
            },
        },
    ),
    ("recurses", {}, {"state": "failed", "error": {"type": "RecursionError"}}),
    ("wants_all_memory", {}, {"state": "failed", "error": {"type": "MemoryError"}}),
]
