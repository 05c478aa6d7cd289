"""A bar of tqdm that does not know its end counts; sizes are read with their prefixes."""

import time

from tqdm import tqdm

from livejobs import live_job


@live_job
def follows_tqdm_without_total():
    for _ in tqdm((number for number in range(25)), desc="rows"):
        time.sleep(0.01)


@live_job
def follows_tqdm_with_sizes():
    with tqdm(total=2_000_000, unit="B", unit_scale=True, desc="file") as bar:
        for _ in range(20):
            bar.update(100_000)
            time.sleep(0.01)


STEPS = [
    ("follows_tqdm_without_total", {}, {"progress": [25, None], "message": "rows", "log_count": 1}),
    ("follows_tqdm_with_sizes", {}, {"progress": [2_000_000, 2_000_000], "message": "file", "log_count": 1}),
]
