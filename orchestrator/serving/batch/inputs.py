"""Which files of a folder are answered, and what their answers are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from orchestrator.data.folders import COMPRESSED_SUFFIXES, ENDINGS, FileKind, kind_of
from orchestrator.errors import UsageError
from orchestrator.storage import Storage


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """A file with rows.

    Attributes:
        name: within its folder, with the folders between.
        size: bytes.
        modified: when it was written, in seconds since 1970; None where the store does not say it.
        output: what the file with its answers is called, in the folder with answers.
    """

    name: str
    size: int
    modified: float | None
    output: str


def find_inputs(folder: Storage, suffix: str) -> tuple[list[InputFile], list[str]]:
    """The files that hold tables, by their names, and the names of the others.

    What begins with a dot or an underscore, or is in a folder that does, is passed over without a word, as elsewhere.

    Args:
        folder: with the folders below it.
        suffix: of the files with answers.

    Raises:
        UsageError: there is none, or two would have their answers in one file.
        StorageError: the folder cannot be read.
    """
    found = {name: facts for name, facts in sorted(folder.details().items()) if not _is_hidden(name)}
    kinds = {name: kind_of(name) for name in found}
    # a text beside tables says something about them
    passed = {None, FileKind.TEXT} if set(kinds.values()) - {None, FileKind.TEXT} else {None}
    others = [name for name, kind in kinds.items() if kind in passed]
    inputs = [
        InputFile(name=name, size=size, modified=modified, output=_output_name(name, suffix))
        for name, (size, modified) in found.items()
        if kinds[name] not in passed
    ]
    if not inputs:
        hint = f", but {others[0]}" if others else ""
        raise UsageError(f"{folder}: there is no .csv, .parquet or .jsonl file in this folder{hint}")
    seen: dict[str, str] = {}
    for file in inputs:
        if file.output in seen:
            both = f"{seen[file.output]} and {file.name}"
            raise UsageError(f"{folder}: {both} would both have their answers in {file.output}; rename one")
        seen[file.output] = file.name
    return inputs, others


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _output_name(name: str, suffix: str) -> str:
    """The name of a table with another ending."""
    stem = name
    for endings in (COMPRESSED_SUFFIXES, ENDINGS):
        ending = next((ending for ending in endings if stem.lower().endswith(ending)), "")
        stem = stem[: len(stem) - len(ending)]
    return f"{stem}{suffix}"
