"""The registry: one job per name, and whoever wants to hear of them."""

from __future__ import annotations

import re
import types
from typing import Any

import pytest

from livejobs.definition import LiveJob, live_job
from livejobs.errors import DefinitionError

SOURCE = "@live_job\ndef a(): ...\n"


def run(source: str, module: str, file: str = "jobs.py") -> Any:
    """Run a module's source, as an import would."""
    found: Any = types.ModuleType(module)
    vars(found)["live_job"] = live_job
    exec(compile(source, file, "exec"), vars(found))
    return found


def test_a_job_is_found_by_its_name(jobs):
    job = run(SOURCE, "shop").a

    assert jobs.get("shop.a") is job
    assert jobs.get("a") is None
    assert list(jobs) == [job]
    assert len(jobs) == 1


def test_a_module_that_is_loaded_again_takes_the_place_of_the_first(jobs):
    first = run(SOURCE, "shop").a
    again = run("\n" + SOURCE, "shop").a

    assert jobs.get("shop.a") is again is not first
    assert len(jobs) == 1


def test_a_file_that_runs_as_a_script_and_is_imported_too_is_one(jobs):
    jobs.short_names = True

    run(SOURCE, "__main__")
    again = run(SOURCE, "tasks").a

    assert jobs.get("a") is again


def test_two_jobs_of_one_name_are_refused(jobs):
    jobs.short_names = True
    first = run(SOURCE, "shop", "shop.py").a

    with pytest.raises(DefinitionError) as caught:
        run("\n\n" + SOURCE, "office", "office.py")

    assert re.fullmatch(
        r"office\.py:3: a cannot be a live job: there is another job named a, at shop\.py:1; rename one of them\.",
        str(caught.value),
    )
    assert jobs.get("a") is first


def test_two_jobs_of_one_name_in_one_file_are_refused_under_up(jobs):
    """In a project that may be a reload; under `livejobs up` nothing is reloaded, and the first would be lost."""
    jobs.short_names = True

    with pytest.raises(DefinitionError, match=r"jobs\.py:3: a cannot be .+ another job named a, at jobs\.py:1"):
        run(SOURCE + SOURCE, "shop")


def test_a_subscriber_hears_of_those_there_are_and_those_to_come(jobs):
    heard: list[LiveJob[..., Any]] = []
    before = run(SOURCE, "one").a
    jobs.subscribe(heard.append)
    after = run(SOURCE, "two", "other.py").a

    assert heard == [before, after]


def test_one_may_register_while_the_jobs_are_gone_through(jobs):
    run(SOURCE, "one")

    for _ in jobs:
        run(SOURCE, "two", "other.py")

    assert len(jobs) == 2
