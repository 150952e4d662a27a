"""Where a caller of the Python API wants to hear nothing."""

from __future__ import annotations


def silent(_sentence: str) -> None:
    """Sentences that nobody wants to hear."""
