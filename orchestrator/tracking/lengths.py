"""What stores have room for: a text that is cut says so, and a document becomes as many tags as it takes."""

from __future__ import annotations

from collections.abc import Mapping

# stores refuse or cut longer ones
MAX_TAG_LENGTH, MAX_PARAMETER_LENGTH, MAX_DESCRIPTION_LENGTH = 5000, 6000, 5000


def shortened(text: str, most: int = MAX_TAG_LENGTH) -> str:
    """A text with so many characters at most; what is missing is said at its end."""
    if len(text) <= most:
        return text
    rest = f" ... (cut, of {len(text):,} characters)"
    return text[: most - len(rest)] + rest


def in_tags(name: str, text: str) -> dict[str, str]:
    """A document as tags: `NAME`, and `NAME.1` and so on if it is longer than one may be."""
    parts = [text[start : start + MAX_TAG_LENGTH] for start in range(0, len(text), MAX_TAG_LENGTH)]
    return {_part(name, number): part for number, part in enumerate(parts)}


def of_tags(name: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Those of `in_tags` among the tags of a run, in their order; their values together are the document."""
    found: dict[str, str] = {}
    while (part := _part(name, len(found))) in labels:
        found[part] = labels[part]
    return found


def _part(name: str, number: int) -> str:
    return name if number == 0 else f"{name}.{number}"
