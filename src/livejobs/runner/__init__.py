"""Inside the process that runs a job's function: an ordinary program, apart from who looks after it.

`zygote` forks and ends it, `loop` runs attempts in it, `output` makes what it prints its log, `interrupt` stops it,
`clean` puts everything back after an attempt.
"""

__all__ = [
    "channel",
    "frames",
    "framing",
    "loop",
    "outcome",
    "output",
    "perform",
    "process_tree",
    "root_logging",
    "start",
    "surroundings",
    "zygote",
]
