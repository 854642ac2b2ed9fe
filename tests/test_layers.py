"""
Imports go one way: a module imports from its own layer and from those beneath it.

Imports for type checkers alone count like all others: a type that is named upward ties two layers
together as well. What a layer needs from above it is given to it, behind a protocol of its own.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "syncroom"

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"allowances", "backends", "engine", "errors", "limits", "logs", "metrics"}),
    frozenset({"protocol"}),
    frozenset({"auth"}),
    frozenset({"store"}),
    frozenset({"document", "apis"}),
    frozenset(
        {"admission", "agent_tokens", "catalogue", "contents", "equipment", "fsck"}
        | {
            "hook_runner",
            "hooks",
            "mesh_documents",
            "remains",
            "room",
            "room_lines",
            "rooms",
            "schemas",
        }
        | {"leash", "remains", "service_file", "supervisor", "token_endpoints", "webhooks"}
    ),
    frozenset({"sessions", "client"}),
    frozenset({"settings"}),
    frozenset({"server"}),
    frozenset({"cli"}),
    frozenset({"__main__"}),
)
"""From the ground up; the protocol layer is beneath all that knows of trust."""

APART = {("auth", "protocol"), ("settings", "sessions"), ("sessions", "client")}
"""Layers that stand beside each other and do not know of each other, though one is listed first."""

OUTSIDE = {"client": {"client", "errors", "protocol", "auth"}}
"""Layers that know only these others: whoever uses a room from elsewhere needs no server."""

PURE = {"protocol", "auth"}
IMPURE = {
    "aiofiles",
    "asyncio",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
}
"""Clock, socket, disk, chance and log: what pure layers are given as values."""

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def _layer(module: str) -> str:
    """The part of the package that a dotted name lies in."""
    return module.split(".")[1] if "." in module else ""


def _rank(layer: str) -> int:
    return next(rank for rank, names in enumerate(LAYERS) if layer in names)


def _imports(path: Path) -> set[str]:
    """The dotted names that a module imports, at any place in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by a relative name"
            assert node.module is not None
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def _own_layer(path: Path) -> str:
    return path.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_nothing_from_above_it(path: Path) -> None:
    if path == Path("__init__.py"):
        return
    own = _own_layer(path)

    for name in _imports(path):
        if name.startswith("syncroom.") and _layer(name) != "__version__":
            imported = _layer(name)
            assert _rank(imported) <= _rank(own), f"{own} imports {name}"
            assert imported == own or (own, imported) not in APART, f"{own} imports {name}"
            assert imported in OUTSIDE.get(own, {imported}), f"{own} imports {name}"


def test_every_part_of_the_package_has_its_layer() -> None:
    parts = {_own_layer(path) for path in MODULES} - {"__init__"}

    assert parts == {name for names in LAYERS for name in names}


@pytest.mark.parametrize("path", [p for p in MODULES if _own_layer(p) in PURE], ids=str)
def test_a_pure_module_knows_no_clock_socket_disk_chance_or_log(path: Path) -> None:
    imported = {name.partition(".")[0] for name in _imports(path)}

    assert imported & IMPURE == set()


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_stays_below_six_hundred_lines_and_a_function_below_sixty(path: Path) -> None:
    source = (PACKAGE / path).read_text()

    assert len(source.splitlines()) < 600
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 60, node.name
