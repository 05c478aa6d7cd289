"""The documentation is true: examples run, tables are whole, links lead somewhere, and no file names a machine."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from pydantic import TypeAdapter, ValidationError

from livejobs import protocol
from livejobs.conf import SETTINGS
from livejobs.log_events import LogEvent
from livejobs.protocol import COMMANDS, CloseCode, ErrorCode, PublicJob, ServerMessage
from livejobs.states import EdgeName, State

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
PROTOCOL = (ROOT / "docs/reference/protocol.md").read_text()


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> Iterator[str]:
    for block in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        yield textwrap.dedent(block)


# ---------------------------------------------------------------- examples


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_python_example_parses(page):
    for block in blocks(page, "python"):
        compile(block, named(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


TASK_FILES = [
    pytest.param(block, id=f"{named(page)}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page, "python"))
    if block.startswith("# tasks.py\n")
]


@pytest.mark.parametrize("source", TASK_FILES)
def test_every_tasks_file_defines_jobs_without_django(source, tmp_path):
    """As `livejobs up` would find them, in a process that has no settings."""
    (tmp_path / "tasks.py").write_text(source)
    look = "import tasks; from livejobs.definition import registry; print(*[job.name for job in registry])"
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", look], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_make_targets_it_names_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"(?:`|\$ )make ([a-z-]+)", page.read_text())) <= targets


def test_the_options_of_up_are_those_of_the_command():
    documented = (ROOT / "docs/reference/command-line.md").read_text()
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    helped = subprocess.run(
        [sys.executable, "-m", "livejobs.server.cli", "up", "--help"],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    options = set(re.findall(r"--[a-z]+", helped)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z]+)`", documented, re.MULTILINE))
    for variable in re.findall(r"LIVEJOBS_[A-Z]+", helped):
        assert f"`{variable}`" in documented


# ---------------------------------------------------------------- reference


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented(setting):
    row = f"| `{setting.name}` | `{setting.default!r}` | {setting.help} |"

    assert row in (ROOT / "docs/reference/settings.md").read_text().splitlines()


def test_no_setting_is_documented_that_is_not_there():
    documented = re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/reference/settings.md").read_text(), re.MULTILINE)

    assert documented == [setting.name for setting in SETTINGS]


def frames(section: str) -> list[dict[str, Any]]:
    """The example frames between one heading and the next heading of that level."""
    body = PROTOCOL.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [json.loads(frame) for frame in re.findall(r"^```json\n(.*?)^```", body, re.MULTILINE | re.DOTALL)]


def test_every_command_is_documented_with_a_frame_the_server_takes():
    examples = frames("What the client sends")

    assert {protocol.parse(frame).action for frame in examples} == COMMANDS


SERVER_MESSAGES = {get_args(get_type_hints(message)["action"])[0]: message for message in get_args(ServerMessage)}


def misfit(value: Any, kind: Any) -> str:
    """Where a value has not the form of a TypedDict, or nothing. (pydantic reads `typing.TypedDict` from 3.12 on.)"""
    if is_typeddict(kind):
        members = get_type_hints(kind, include_extras=True)
        needed = {name for name, hint in members.items() if get_origin(hint) is not NotRequired}
        if not needed <= set(value) <= set(members):
            return f"{kind.__name__}: {sorted(needed ^ set(value))}"
        return next(filter(None, (misfit(value[name], members[name]) for name in value)), "")
    if get_origin(kind) is NotRequired:
        return misfit(value, get_args(kind)[0])
    if get_origin(kind) is list:
        return next(filter(None, (misfit(item, get_args(kind)[0]) for item in value)), "")
    if get_origin(kind) is dict and is_typeddict(get_args(kind)[1]):
        return next(filter(None, (misfit(item, get_args(kind)[1]) for item in value.values())), "")
    if is_typeddict(next(iter(get_args(kind)), None)):  # or None
        return misfit(value, get_args(kind)[0]) if value is not None else ""
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as error:
        return str(error)
    return ""


def test_every_server_message_is_documented_with_a_frame_it_could_have_sent():
    examples = frames("What the server sends")

    assert [misfit(frame, SERVER_MESSAGES[frame["action"]]) for frame in examples] == [""] * len(examples)
    assert {frame["action"] for frame in examples} == set(SERVER_MESSAGES)


def test_the_check_of_examples_sees_what_is_wrong():
    assert misfit({"action": "gone"}, protocol.GoneMessage) == "GoneMessage: ['job_id']"
    assert misfit({"action": "log", "job_id": 1, "lines": [{"seq": 1}]}, protocol.LogMessage).startswith("LogLine")
    assert misfit({"action": "gone", "job_id": "1"}, protocol.GoneMessage)


def test_tables_of_the_protocol_are_whole():
    assert rows("### error") == {code.value for code in ErrorCode}
    assert {int(code) for code in re.findall(r"^\| (\d{4}) \|", PROTOCOL, re.MULTILINE)} == set(CloseCode)
    assert rows("## The public job") == set(PublicJob.__annotations__)
    assert all(f"`{state}`" in PROTOCOL for state in State)


def rows(heading: str) -> set[str]:
    """What stands in backquotes in the first column of a section's tables."""
    level = heading.split()[0]
    body = PROTOCOL.split(f"\n{heading}\n")[1].split(f"\n{level} ")[0].split("\n## ")[0]
    return {name for cell in re.findall(r"^\| (`.*?) \|", body, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)}


# ---------------------------------------------------------------- links and machines


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{named(page)} links to {target}"


def committed_texts() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    for name in listed.stdout.splitlines():
        try:
            yield name, (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue


MACHINE = re.compile(
    r"/ro{2}t/|/ho[m]e/\w|/Use[r]s/\w|(?<![\w.])/wor[k]/|pythonhoste[d]|pypi[.]or[g]|registry[.]npmj[s]|npmmirro[r]|registry[.]yarnpk[g]"
)


def test_no_file_names_a_machine_or_a_registry():
    found = [(name, hit.group()) for name, text in committed_texts() for hit in MACHINE.finditer(text)]

    assert found == []


# ---------------------------------------------------------------- the table of what is logged

LOGGING = (ROOT / "docs/reference/logging.md").read_text()


def test_every_event_that_is_logged_is_in_its_table_once():
    assert re.findall(r"^\| `([a-z._]+)` \| [a-z; ]", LOGGING, re.MULTILINE) == [event.value for event in LogEvent]


def test_the_names_of_edges_are_all_told():
    told = LOGGING.partition("in a job's timeline:")[2].partition(".")[0]
    assert set(re.findall(r"`([a-z_]+)`", told)) == set(EdgeName)


def test_every_field_of_the_table_is_one_that_the_example_knows():
    named_fields = set(re.findall(r"`([a-z]+)`", " ".join(re.findall(r"\|([^|]*)\|$", LOGGING, re.MULTILINE))))
    example = next(blocks(ROOT / "docs/reference/logging.md", "python"))
    known = re.search(r"FIELDS = (\(.*?\))", example, re.DOTALL)
    assert known
    assert named_fields | {"event"} == set(ast.literal_eval(known[1]))
