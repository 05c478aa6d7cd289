"""Who hears of what."""

from __future__ import annotations

import re

import pytest

from livejobs.groups import all_group, job_group, job_of, list_groups, owner_group, workers_group


def names() -> list[str]:
    job = job_group(2**63 - 1)
    return [all_group(), workers_group(), job, owner_group(""), owner_group("user:7"), owner_group("ä b/" * 90)]


@pytest.mark.parametrize("given", ["tests", "N" * 32])
def test_a_name_is_one_that_channels_takes(settings, given):
    settings.LIVEJOBS = {"NAMESPACE": given}
    for name in names():
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,99}", name)


def test_a_job_is_found_again_in_the_name_of_its_group():
    assert [job_of(name) for name in (job_group(7), all_group(), workers_group(), owner_group("user:7"))] == [
        7, None, None, None,
    ]  # fmt: skip


def test_an_owners_key_is_nobody_elses_business():
    assert owner_group("user:7") == owner_group("user:7") != owner_group("user:8")
    assert "user" not in owner_group("user:7")


def test_a_list_has_the_owners_events_or_everybodys():
    assert list_groups("user:7") == (owner_group("user:7"), all_group())
    assert list_groups("") == ("livejobs.tests.owner.none", "livejobs.tests.all")


def test_no_two_projects_share_a_name(settings):
    ours = set(names())
    settings.LIVEJOBS = {"NAMESPACE": "other"}
    assert not ours & set(names())
