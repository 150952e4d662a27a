"""Docstrings, taken apart: what a thing is for, and what its attributes, arguments, results and errors are."""

from __future__ import annotations

import inspect
import re
import textwrap

HEADINGS = ("Args", "Attributes", "Returns", "Yields", "Raises")
ENTRY = re.compile(r"^(?P<names>[A-Za-z_*][\w.*]*(?:, [A-Za-z_*][\w.*]*)*):(?: |$)(?P<words>.*)")


class UndocumentedError(Exception):
    """Something that a user can say has no words."""


def parts(thing: object) -> tuple[str, dict[str, str]]:
    """A docstring without its sections, and the text of each section by its heading."""
    sections: dict[str, list[str]] = {"": []}
    heading = ""
    for line in (inspect.getdoc(thing) or "").splitlines():
        found = line.removesuffix(":")
        if line.endswith(":") and found in HEADINGS:
            heading = found
            sections[heading] = []
        elif heading and line and not line.startswith(" "):
            heading = ""
            sections[""] += ["", line]
        else:
            sections[heading].append(line)
    texts = {name: textwrap.dedent("\n".join(lines)).strip() for name, lines in sections.items()}
    return texts.pop(""), texts


def entries(text: str) -> dict[str, str]:
    """What a section says of each name; names that share a sentence each get it."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        entry = ENTRY.match(line)
        if entry:
            names = entry["names"].split(", ")
            found |= dict.fromkeys(names, entry["words"])
        else:
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


def words_of(owner: object, heading: str, names: list[str]) -> dict[str, str]:
    """What the docstring of a class or function says of each of these names.

    Raises:
        UndocumentedError: it says nothing of one.
    """
    said = entries(parts(owner)[1].get(heading, ""))
    missing = [name for name in names if not said.get(name)]
    if missing:
        raise UndocumentedError(f"the docstring of {owner.__name__} does not say what {missing[0]} is ({heading})")
    return {name: said[name] for name in names}


def merged(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Neighbours with the same words, which are the last cell of a row, as one row."""
    found: list[tuple[str, ...]] = []
    for row in rows:
        if found and found[-1][-1] == row[-1]:
            both = zip(found[-1][:-1], row[:-1], strict=True)
            found[-1] = (*(", ".join(dict.fromkeys(filter(None, pair))) for pair in both), row[-1])
        else:
            found.append(row)
    return found


def cell(text: str) -> str:
    """Text in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *(tuple(map(cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
