"""What programs may import from `syncroom` is there, has types, stands in the docs, and is lazy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import syncroom
from tests.docs.pages import codes, page

SOURCE = Path(syncroom.__file__)
EMBEDDING = page("docs/embedding.md")
NAMES_MAX = 25


@pytest.mark.parametrize("name", syncroom.__all__)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(syncroom, name).__name__ == name
    assert name in codes(EMBEDDING)


def test_type_checkers_see_the_same_names() -> None:
    block = next(node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    seen = [
        each.name for node in block.body if isinstance(node, ast.ImportFrom) for each in node.names
    ]

    assert sorted(seen) == sorted(syncroom.__all__)
    assert len(seen) <= NAMES_MAX


def test_any_other_name_is_missing() -> None:
    assert not hasattr(syncroom, "no_such_name")


def test_a_process_that_needs_no_server_loads_none() -> None:
    program = (
        "import sys, syncroom; sys.exit('starlette' in sys.modules or 'pydantic' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
