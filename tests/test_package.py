"""The wheel: what people install carries the page as it was built, and nothing that built it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DIST = ROOT / "syncroom" / "web" / "dist"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of all files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    build += ["--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def test_the_wheel_carries_the_page_as_it_was_built(wheel: list[str]) -> None:
    built = {str(file.relative_to(ROOT)) for file in DIST.rglob("*") if file.is_file()}

    assert "syncroom/web/dist/index.html" in built
    assert built <= set(wheel)


def test_the_wheel_carries_nothing_else_of_the_page(wheel: list[str]) -> None:
    others = [name for name in wheel if name.startswith("syncroom/web/")]

    assert [name for name in others if not name.startswith("syncroom/web/dist/")] == []


def test_the_wheel_carries_every_module_and_says_that_it_is_typed(wheel: list[str]) -> None:
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "syncroom").rglob("*.py")}
    modules = {name for name in modules if "node_modules" not in name}

    assert modules | {"syncroom/py.typed"} <= set(wheel)


def test_the_wheel_carries_the_license_and_no_tests(wheel: list[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)
    assert {name.split("/")[0].partition("-")[0] for name in wheel} == {"syncroom"}
