"""Self-hosted rooms where people and agents work on the same documents at the same time."""

__version__ = "0.1.0"
