"""Files that commands write rows to: the ending of their names says how."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.outputs import write_problem
from orchestrator.errors import CellsError, UsageError, did_you_mean
from orchestrator.serving.inference.row_writers import TEXT_FORMATS, WRITERS, write_frames

if TYPE_CHECKING:
    import pandas as pd


def find_format(output: Path | None, file_format: str | None) -> str:
    """The ending that says how the answers are written.

    Raises:
        UsageError: the name of the output has none that is known, or the format is none for stdout.
    """
    if file_format is not None:
        suffix = f".{file_format}"
        if output is None and suffix not in TEXT_FORMATS:
            raise UsageError(f"--format {file_format}: cannot be written to stdout; name a file with --output")
        return suffix
    if output is None:
        return ".csv"
    for suffix in sorted(WRITERS, key=len, reverse=True):
        if output.name.endswith(suffix):
            return suffix
    hint = did_you_mean(output.suffix, WRITERS) if output.suffix else ""
    raise UsageError(f"--output {output}: give it a name that ends with {', '.join(WRITERS)}{hint}, or say --format")


def write_rows(answers: Iterable[pd.DataFrame], output: Path, suffix: str) -> int:
    """The file is there complete or not at all.

    Args:
        answers: frames with the same columns, which are written one after another.
        output: file.
        suffix: one of `WRITERS`.

    Returns:
        How many rows they have.
    """
    temporary = output.with_name(f".{output.name}.writing")
    try:
        rows = write_frames(answers, temporary, suffix)
        temporary.replace(output)
    except OSError as error:
        raise write_problem(output, error) from None
    except CellsError as error:
        raise UsageError(f"--output {output}: {error}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return rows
