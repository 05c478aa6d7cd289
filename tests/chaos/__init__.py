"""The chaos suite: real processes, broken on purpose; what must be true is checked from outside.

`python -m tests.chaos` (or `make chaos`) runs it; `docs/explanation/promises.md` says what it shows.
"""
