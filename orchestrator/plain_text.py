"""Text that drives no terminal: names in models, files and data may hold anything. Imports nothing heavy."""

from __future__ import annotations

import re

# control characters but for tab and line feed, marks that turn the direction of writing, halves of characters
DRIVING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """What names in models and files hold beside letters is shown as Python writes it."""
    return DRIVING.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """`plain`, in one line."""
    return plain(text).replace("\n", "\\n")
