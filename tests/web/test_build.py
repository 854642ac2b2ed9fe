"""The page's own unit tests pass, and the built files in the repository are of its sources."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.driver import need

WEB = Path(__file__).parents[2] / "syncroom" / "web"
NODE_MIN = (20, 19)


@pytest.fixture(autouse=True)
def _needs_its_packages() -> None:
    if shutil.which("node") is None:
        need("node is not installed")
    if not (WEB / "node_modules").is_dir():
        need("the page's packages are not installed: npm ci in syncroom/web")
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True)
    if tuple(map(int, version.stdout.strip("v\n").split(".")))[:2] < NODE_MIN:
        need(f"the page is built with Node.js {NODE_MIN[0]}.{NODE_MIN[1]} or later")


def _npm(*arguments: str) -> None:
    done = subprocess.run(
        ["npm", "run", *arguments],
        cwd=WEB,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_tests_of_the_page_pass() -> None:
    _npm("test")


def test_the_built_page_in_the_repository_is_that_of_its_sources(tmp_path: Path) -> None:
    _npm("build", "--", "--outDir", str(tmp_path / "dist"), "--emptyOutDir")

    assert _files(tmp_path / "dist") == _files(WEB / "dist"), "run make page, and commit the result"


def _files(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}
