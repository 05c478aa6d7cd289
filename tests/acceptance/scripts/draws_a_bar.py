"""A bar drawn over itself by carriage returns is one line, its last state."""

import sys
import time

from livejobs import live_job


@live_job
def draws():
    for done in range(0, 101, 10):
        print(f"\r{done:3} % " + "#" * (done // 10), end="", flush=True)
        time.sleep(0.01)
    print()
    print("done")


@live_job
def draws_like_tqdm():
    for done in range(11):
        sys.stderr.write(f"\r{done * 10:3}%|{'█' * done:<10}| {done}/10")
        sys.stderr.flush()
    sys.stderr.write("\n")


@live_job
def draws_to_the_end():
    for done in range(3):
        print(f"{done + 1} of 3", end="\r")


STEPS = [
    ("draws", {}, {"log": ["100 % ##########", "done"]}),
    ("draws_like_tqdm", {}, {"log": ["100%|██████████| 10/10"], "levels": {"100%|██████████| 10/10": "stderr"}}),
    ("draws_to_the_end", {}, {"log": ["3 of 3"]}),
]
