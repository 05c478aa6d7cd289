"""Who hears of what."""

from __future__ import annotations

import re

import pytest

from livejobs.groups import ALL_GROUP, JOB_GROUP_PREFIX, WORKERS_GROUP, job_group, list_groups, owner_group


@pytest.mark.parametrize(
    "name",
    [ALL_GROUP, WORKERS_GROUP, job_group(2**63 - 1), owner_group(""), owner_group("user:7"), owner_group("ä b/" * 90)],
)
def test_a_name_is_one_that_channels_takes(name):
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,99}", name)


def test_a_job_is_found_again_in_the_name_of_its_group():
    assert job_group(7).removeprefix(JOB_GROUP_PREFIX) == "7"


def test_an_owners_key_is_nobody_elses_business():
    assert owner_group("user:7") == owner_group("user:7") != owner_group("user:8")
    assert "user" not in owner_group("user:7")


def test_a_list_has_the_owners_events_or_everybodys():
    assert list_groups("user:7") == (owner_group("user:7"), ALL_GROUP)
    assert list_groups("") == ("livejobs.owner.none", ALL_GROUP)
