"""The pages that users read: their blocks of code, their tables and their links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("**/*.md")])

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK_OR_HEADING = re.compile(_BLOCK.pattern + r"|^#", _BLOCK.flags)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")

OUTPUT = ("text", "json")
"""What these blocks hold is what the block before them prints, if no heading comes between; ``...``
stands for anything."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    language: str
    code: str
    line: int
    """Where it begins."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a reader runs, and what they are told to see."""

    block: Block
    output: str | None


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def page(name: str) -> str:
    return (ROOT / name).read_text()


def blocks(text: str) -> list[Block]:
    return [Block(match[1], match[2], _line(text, match)) for match in _BLOCK.finditer(text)]


def block(text: str, language: str) -> str:
    """The code of the one block in a language."""
    (code,) = [each.code for each in blocks(text) if each.language == language]
    return code


def steps(text: str, languages: tuple[str, ...]) -> list[Step]:
    """What a page tells its readers to run, in order."""
    found: list[Step] = []
    is_open = False
    for match in _BLOCK_OR_HEADING.finditer(text):
        language, code = match[1], match[2]
        if language in languages:
            found.append(Step(Block(language, code, _line(text, match)), None))
            is_open = True
        elif language in OUTPUT and is_open:
            found[-1] = Step(found[-1].block, code)
            is_open = False
        elif language is None:
            is_open = False
    return found


def rows(text: str) -> list[list[str]]:
    """The cells of every row of every table."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def row(text: str, name: str) -> list[str]:
    """The one row whose first cell is this code or word; fails where there is none, or more."""
    found = [cells for cells in rows(text) if cells[0] in (name, f"`{name}`")]
    assert len(found) == 1, f"{len(found)} rows begin with {name!r}"
    return found[0]


def codes(text: str) -> set[str]:
    """Everything that stands between backticks."""
    return set(_CODE.findall(_BLOCK.sub("", text)))


def _line(text: str, match: re.Match[str]) -> int:
    return text.count("\n", 0, match.start()) + 1


def links(text: str) -> list[str]:
    return _LINK.findall(_BLOCK.sub("", text))


def anchors(text: str) -> set[str]:
    """What a link may name after ``#``, as GitHub spells headings."""
    headings = _HEADING.findall(_BLOCK.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
