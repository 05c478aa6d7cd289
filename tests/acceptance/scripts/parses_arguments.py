"""A command line program inside a job: its help succeeds, its complaint is the error."""

import argparse

from livejobs import live_job


def main(arguments):
    parser = argparse.ArgumentParser("export", description="Export all orders.")
    parser.add_argument("--year", type=int, required=True)
    return parser.parse_args(arguments).year


@live_job
def parses(line: str):
    return main(line.split())


STEPS = [
    ("parses", {"line": "--year 2024"}, {"result": 2024}),
    ("parses", {"line": "--help"}, {"result": None, "log_has": ["Export all orders."]}),
    (
        "parses",
        {"line": "--year many"},
        {
            "state": "failed",
            "error": {"message": "Exited with code 2: export: error: argument --year: invalid int value: 'many'"},
            "log_has": [{"re": "usage: export .*"}],
        },
    ),
]
