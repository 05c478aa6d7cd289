"""What a module keeps stays warm from one job to the next."""

from livejobs import live_job

MODEL = []


@live_job
def loads_once():
    if not MODEL:
        print("loading")
        MODEL.append("weights")
    return len(MODEL)


STEPS = [
    ("loads_once", {}, {"log": ["loading"], "result": 1}),
    ("loads_once", {}, {"log": [], "result": 1}),
    ("loads_once", {}, {"log": [], "result": 1}),
]
