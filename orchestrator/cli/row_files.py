"""Files that commands write rows to: the ending of their names says how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from orchestrator.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Target = Path | IO[Any]
FORMATS: dict[str, Callable[[pd.DataFrame, Target], object]] = {
    ".csv": lambda answers, to: answers.to_csv(to, index=False),
    ".csv.gz": lambda answers, to: answers.to_csv(to, index=False, compression="gzip"),
    ".parquet": lambda answers, to: answers.to_parquet(to, index=False),
    ".pq": lambda answers, to: answers.to_parquet(to, index=False),
    ".json": lambda answers, to: _write_json(answers, to, lines=False),
    ".jsonl": lambda answers, to: _write_json(answers, to, lines=True),
}
# of which people can read what is written
TEXT_FORMATS = (".csv", ".json", ".jsonl")


def _write_json(answers: pd.DataFrame, to: Target, *, lines: bool) -> None:
    answers.to_json(
        to, orient="records", lines=lines, indent=None if lines else 1, double_precision=15, date_format="iso"
    )


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
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if output.name.endswith(suffix):
            return suffix
    hint = did_you_mean(output.suffix, FORMATS) if output.suffix else ""
    raise UsageError(f"--output {output}: give it a name that ends with {', '.join(FORMATS)}{hint}, or say --format")


def check_output(output: Path) -> None:
    """Refuses a file that could not be written at the end.

    Raises:
        UsageError: it is a folder, or it has none.
    """
    if output.is_dir():
        raise UsageError(f"--output {output}: is a folder")
    if not output.parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {output.parent}")


def write_rows(answers: pd.DataFrame, output: Path, suffix: str) -> None:
    """The file is there complete or not at all."""
    temporary = output.with_name(f".{output.name}.writing")
    try:
        FORMATS[suffix](answers, temporary)
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"--output {output}: cannot be written ({error.strerror})") from None
