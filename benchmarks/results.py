"""What runs gave, kept as JSON: one entry for each claim, replaced by the next run of it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.suite import Sample, Suite


class Cell(BaseModel):
    """One metric of one server in one case, over all rounds."""

    median: float
    low: float
    high: float


class Row(BaseModel):
    """One server in one case."""

    server: str
    case: str
    rounds: int
    cells: dict[str, Cell]
    failures: list[str]


class ClaimResult(BaseModel):
    """What the last run of a claim gave."""

    measured_on: str
    machine: str
    is_quick: bool
    versions: dict[str, str]
    missing: dict[str, str]
    """Servers that could not be measured, and why."""
    rows: list[Row]


class Results(BaseModel):
    """The last run of every claim."""

    claims: dict[str, ClaimResult] = Field(default_factory=dict)


def read_results(file: Path) -> Results:
    """Read what earlier runs gave, if there were any."""
    return Results.model_validate_json(file.read_text()) if file.is_file() else Results()


def write_results(file: Path, results: Results) -> None:
    """Keep it, in a form that shows what changed."""
    file.write_text(json.dumps(results.model_dump(), indent=1, ensure_ascii=False) + "\n")


def summarise(suite: Suite, samples: Sequence[Sample], missing: dict[str, str]) -> ClaimResult:
    """Medians and ranges over the rounds of one claim."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.case, sample.server), []).append(sample)
    return ClaimResult(
        measured_on=datetime.now(UTC).date().isoformat(),
        machine=_machine(suite),
        is_quick=suite.is_quick,
        versions={kind.name: kind.version for kind in suite.kinds},
        missing=missing,
        rows=[_row(server, case, group) for (case, server), group in groups.items()],
    )


def _row(server: str, case: str, samples: list[Sample]) -> Row:
    good = [sample.values for sample in samples if sample.failure is None]
    cells = {}
    for key in good[0] if good else ():
        values = [each[key] for each in good]
        cells[key] = Cell(median=median(values), low=min(values), high=max(values))
    failures = [sample.failure for sample in samples if sample.failure is not None]
    return Row(server=server, case=case, rounds=len(good), cells=cells, failures=failures)


def _machine(suite: Suite) -> str:
    where = "server and load on a core each" if suite.cores.are_apart else "all on one core"
    parts = [
        f"{os.cpu_count()} cores, {_processor()}",
        f"{platform.system()} {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
        *([f"Node.js {version}"] if (version := _node_version()) else []),
        where,
        f"load {suite.load_before:.1f} before the run",
    ]
    return "; ".join(parts)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _node_version() -> str:
    node = shutil.which("node")
    if node is None:
        return ""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return said.stdout.strip().lstrip("v")
