"""With fresh=True nothing of an earlier job is there."""

from livejobs import live_job

RUNS = []


@live_job
def dirties():
    RUNS.append("dirt")
    return len(RUNS)


@live_job(fresh=True)
def is_fresh():
    RUNS.append("fresh")
    return RUNS


STEPS = [
    ("dirties", {}, {"result": 1}),
    ("is_fresh", {}, {"result": ["fresh"]}),
    ("is_fresh", {}, {"result": ["fresh"]}),
]
