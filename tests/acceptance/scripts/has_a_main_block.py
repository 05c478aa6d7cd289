"""A script with a main block: the block runs where the file is run by hand, never here."""

import sys

from livejobs import live_job


@live_job
def adds(a: int, b: int = 1):
    print(f"{a} + {b}")
    return a + b


@live_job
def adds_twice(a: int):
    return adds(adds(a))


def main():
    print(adds(int(sys.argv[1])))
    sys.exit(1)


if __name__ == "__main__":
    main()

STEPS = [
    ("adds", {"a": 2}, {"result": 3, "log": ["2 + 1"]}),
    ("adds_twice", {"a": 2}, {"result": 4, "log": ["2 + 1", "3 + 1"]}),
]
