"""What can go wrong with a measurement."""

from __future__ import annotations


class MeasurementFailed(Exception):
    """A measurement that can't be made or does not count, and why."""
