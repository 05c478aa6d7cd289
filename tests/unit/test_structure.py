"""The house: each module has its test, and packages are entered by their doors."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

import livejobs

SOURCE = Path(livejobs.__file__).parent
TESTS = Path(__file__).parents[1]
# Declarations and wiring; what goes wrong in them shows wherever they are used.
UNTESTED = {
    "admin", "apps", "urls", "live.requests", "live.routing", "server.failures",
    "server.project.apps", "server.project.asgi", "server.project.celery", "server.project.settings",
    "server.project.urls", "web.urls", "management.commands.livejobs_check", "management.commands.livejobs_maintain",
}  # fmt: skip
DOORS = ("database", "definition", "hints", "health", "runner")


def modules() -> list[str]:
    """Every module of ours, by its dotted name inside the package."""
    paths = (path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))
    names = [".".join(path.with_suffix("").parts) for path in paths if "migrations" not in path.parts]
    return sorted(name for name in names if not name.endswith("__init__"))


def places_of(name: str) -> list[Path]:
    """Where the tests of a module are: at its own place below `unit` or `integration`."""
    *folders, module = name.split(".")
    return [TESTS.joinpath(kind, *folders, f"test_{module}.py") for kind in ("unit", "integration")]


@pytest.mark.parametrize("name", [name for name in modules() if name not in UNTESTED])
def test_a_module_has_its_tests(name):
    assert any(path.exists() for path in places_of(name)), f"{name}: write {places_of(name)[0].relative_to(TESTS)}"


def test_nothing_is_excused_that_is_gone():
    assert set(modules()) >= UNTESTED


@pytest.mark.parametrize("door", DOORS)
def test_a_door_says_what_is_inside_and_what_others_may_use(door):
    package = import_module(f"livejobs.{door}")
    assert package.__doc__
    for name in package.__all__:
        assert hasattr(package, name) or (SOURCE / door / f"{name}.py").exists(), name


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_packages_are_entered_by_their_doors(path):
    place = path.relative_to(SOURCE).parts[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        for door in DOORS:
            allowed = import_module(f"livejobs.{door}").__all__
            if place == door:
                continue
            if node.module == f"livejobs.{door}":
                assert {each.name for each in node.names} <= set(allowed), f"line {node.lineno}"
            elif node.module.startswith(f"livejobs.{door}."):
                assert node.module.split(".")[2] in allowed, f"line {node.lineno}: not named by the door"
