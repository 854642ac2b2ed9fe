"""Results as Markdown, written into the page between two marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.results import Cell, ClaimResult, Results, Row
    from benchmarks.suite import Claim, Metric

OURS = "syncroom"
BEGIN = "<!-- results: begin (written by the suite) -->"
END = "<!-- results: end -->"


def write_page(page: Path, claims: Sequence[Claim], results: Results, plots: str) -> None:
    """Put the results into a page, between its marks, or into a new page.

    Args:
        page: the Markdown file.
        claims: all claims, in the order in which they are to stand.
        results: what was measured of them.
        plots: where the plots are, as seen from the page.
    """
    text = page.read_text() if page.is_file() else f"{BEGIN}\n{END}\n"
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    sections = [
        section(claim, results.claims[claim.name], plots)
        for claim in claims
        if claim.name in results.claims
    ]
    page.write_text(f"{head}{BEGIN}\n\n{''.join(sections)}{END}{tail}")


def section(claim: Claim, result: ClaimResult, plots: str) -> str:
    """One claim: what is measured, the plot, the table."""
    quick = " A quick run: one short round, to be taken as a hint." if result.is_quick else ""
    lines = [
        f"### {claim.title}",
        "",
        claim.explanation,
        "",
        f"![{claim.title}: {claim.metrics[0].label}]({plots}/{claim.name}.svg)",
        "",
        *table(claim, result),
        "",
        f"{result.measured_on}; {result.machine}.{quick}",
        "",
    ]
    for name, reason in result.missing.items():
        lines += [f"Not measured: {name} ({reason}).", ""]
    return "\n".join(lines) + "\n"


def table(claim: Claim, result: ClaimResult) -> list[str]:
    """A row for each server in each case: medians, and in brackets the range over the rounds."""
    labels = ["", "server", "beside the best other", *(metric.label for metric in claim.metrics)]
    lines = [f"| {' | '.join(labels)} |", f"|{'---|' * 2}{'--:|' * (len(labels) - 2)}"]
    last_case = ""
    for row in in_order(result.rows):
        version = result.versions.get(row.server, "")
        case = row.case if row.case != last_case else ""
        last_case = row.case
        cells = [_format(metric, row.cells.get(metric.key)) for metric in claim.metrics]
        if row.failures:
            cells[0] += f" **failed**, {len(row.failures)} times: {row.failures[0]}"
        values = [case, f"{row.server} {version}".strip(), _ratio(claim, result, row), *cells]
        lines.append(f"| {' | '.join(values)} |")
    return lines


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Case by case, ours first."""
    cases = list(dict.fromkeys(row.case for row in rows))
    return sorted(rows, key=lambda row: (cases.index(row.case), row.server != OURS))


def _ratio(claim: Claim, result: ClaimResult, row: Row) -> str:
    metric = claim.metrics[0]
    peers = [
        each.cells[metric.key].median
        for each in result.rows
        if each.case == row.case and each.server != OURS and metric.key in each.cells
    ]
    if row.server != OURS or not peers or metric.key not in row.cells:
        return ""
    best = min(peers) if metric.is_better_low else max(peers)
    return f"{row.cells[metric.key].median / best:.2f}x"


def _format(metric: Metric, cell: Cell | None) -> str:
    if cell is None:
        return ""
    low, middle, high = (
        f"{value:,.{metric.digits}f}" for value in (cell.low, cell.median, cell.high)
    )
    return middle if low == high else f"{middle} ({low} - {high})"
