"""input() fails at once with one sentence that says why."""

from livejobs import live_job


@live_job
def asks():
    print("first")
    name = input("Your name? ")
    print("hello", name)


EXPECT = {
    "state": "failed",
    "error": {"reason": "exception", "type": "EOFError", "message": {"re": r"A job has no keyboard[^.]*\."}},
    "log_has": ["first"],
    "takes": [0, 2],
}
