from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from benchmarks.plot import draw
from benchmarks.results import Cell, ClaimResult, Results, Row, read_results, write_results
from benchmarks.suite import Claim, Metric
from benchmarks.table import BEGIN, END, write_page

if TYPE_CHECKING:
    from pathlib import Path

CLAIM = Claim("speed", "Speed", "How fast.", (Metric("per_core", "per core"),))


def row(server: str, *values: float, failures: tuple[str, ...] = ()) -> Row:
    cells = {}
    if values:
        low, middle, high = values
        cells["per_core"] = Cell(median=middle, low=low, high=high)
    return Row(server=server, case="2 clients", rounds=3, cells=cells, failures=list(failures))


RESULT = ClaimResult(
    measured_on="2026-01-31",
    machine="2 cores",
    is_quick=False,
    versions={"syncroom": "0.1", "swift": "1.0", "slow": "2.0"},
    missing={"absent": "npm is not installed"},
    rows=[
        row("swift", 900, 1000, 1100),
        row("slow", failures=("3 of 9 deliveries were lost",)),
        row("syncroom", 2000, 3000, 4000),
    ],
)


def test_the_page_shows_ratios_failures_and_what_is_missing(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")

    write_page(page, [CLAIM], Results(claims={"speed": RESULT}), "plots")

    text = page.read_text()
    assert "| 2 clients | syncroom 0.1 | 3.00x | 3,000 (2,000 - 4,000) |" in text
    assert "|  | swift 1.0 |  | 1,000 (900 - 1,100) |" in text
    assert "**failed**, 1 times: 3 of 9 deliveries were lost" in text
    assert "Not measured: absent (npm is not installed)." in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text


def test_the_plot_is_valid_svg_that_names_every_server() -> None:
    drawn = ElementTree.fromstring(draw(CLAIM, RESULT))

    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text in RESULT.versions] == ["syncroom", "swift", "slow"]
    assert "failed" in texts


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    results = Results(claims={"speed": RESULT})

    write_results(tmp_path / "results.json", results)

    assert read_results(tmp_path / "results.json") == results
