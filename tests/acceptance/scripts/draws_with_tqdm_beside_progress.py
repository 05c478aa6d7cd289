"""A job that reports its progress itself is heard, whatever bars it draws beside that."""

import time

from tqdm import tqdm

from livejobs import current_job, live_job


@live_job
def reports_beside_tqdm():
    job = current_job()
    job.progress(1, 7, "mine")
    for _ in tqdm(range(30)):
        time.sleep(0.01)


@live_job
def tracks_beside_tqdm():
    for _ in current_job().track(range(4)):
        for _ in tqdm(range(10)):
            time.sleep(0.01)


@live_job
def looks_like_tqdm():
    print(" 43%|####3     | 43/100 [00:01<00:02, 20.0it/s]")
    print("50%")
    print("\rloading 50%", end="")
    time.sleep(0.3)


STEPS = [
    ("reports_beside_tqdm", {}, {"progress": [1, 7], "message": "mine", "log_count": 1}),
    ("tracks_beside_tqdm", {}, {"progress": [4, 4], "message": "", "log_count": 4}),
    (
        "looks_like_tqdm",
        {},
        {"progress": None, "log": [" 43%|####3     | 43/100 [00:01<00:02, 20.0it/s]", "50%", "loading 50%"]},
    ),
]
