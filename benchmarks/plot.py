"""Bars, drawn as SVG by hand: each case to a scale of its own, the value behind each bar."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from benchmarks.table import OURS, in_order

if TYPE_CHECKING:
    from benchmarks.results import ClaimResult
    from benchmarks.suite import Claim

_WIDTH = 760
_NAMES_END, _BARS_START, _BARS_WIDTH = 190, 200, 420
_BAR, _BAR_STEP, _CASE_STEP, _TOP = 16, 21, 30, 74
_OTHER = "#9ca3af"
_COLOURS = {
    OURS: "#2563eb",
    "hocuspocus": "#0d9488",
    "y-websocket": "#d97706",
}
_STYLE = "font: 13px system-ui, sans-serif; fill: #1f2937"


def draw(claim: Claim, result: ClaimResult) -> str:
    """Draw the first metric of a claim."""
    metric = claim.metrics[0]
    parts: list[str] = []
    y, case = _TOP, None
    rows = [row for row in in_order(result.rows) if row.case]
    for row in rows:
        if row.case != case:
            case = row.case
            y += _CASE_STEP if parts else 0
            parts.append(_text(16, y, case, "font-weight: 600"))
            y += 10
        cell = row.cells.get(metric.key)
        peers = [each.cells[metric.key] for each in rows if each.case == case and each.cells]
        parts.append(_text(_NAMES_END, y + 13, row.server, "text-anchor: end"))
        if cell is None:
            parts.append(_text(_BARS_START, y + 13, "failed", "fill: #b91c1c"))
        else:
            width = _BARS_WIDTH * cell.median / max(peer.median for peer in peers)
            parts.append(_bar(y, max(width, 1), _COLOURS.get(row.server, _OTHER)))
            value = f"{cell.median:,.{metric.digits}f}"
            parts.append(_text(_BARS_START + width + 8, y + 13, value, ""))
        y += _BAR_STEP
    better = "shorter" if metric.is_better_low else "longer"
    scales = "; each group to its own scale" if len({row.case for row in rows}) > 1 else ""
    head = [
        _text(16, 26, claim.title, "font-size: 16px; font-weight: 600"),
        _text(16, 44, f"{metric.label}; {better} is better{scales}", "fill: #6b7280"),
    ]
    height = y + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img">\n'
        f"<title>{escape(claim.title)}: {escape(metric.label)}</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="#ffffff"/>\n'
        f"<g>\n{chr(10).join([*head, *parts])}\n</g>\n</svg>\n"
    )


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" style="{_STYLE}; {style}">{escape(text)}</text>'


def _bar(y: float, width: float, colour: str) -> str:
    return (
        f'<rect x="{_BARS_START}" y="{y:.1f}" width="{width:.1f}" height="{_BAR}" rx="3" '
        f'fill="{colour}"/>'
    )
