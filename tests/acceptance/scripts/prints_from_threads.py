"""What several threads print at once is in whole lines."""

import threading

from livejobs import live_job


def say(name):
    for number in range(300):
        print(f"thread {name} line {number}\n", end="")  # in one write: print() writes the end of a line by itself


@live_job
def has_four_threads():
    threads = [threading.Thread(target=say, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


EXPECT = {"log_count": 1200, "log_each": r"thread [abcd] line \d+"}
