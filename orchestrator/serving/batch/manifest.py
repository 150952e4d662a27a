"""What a folder with answers holds, and of whom: a run that was killed goes on there, and nothing is mixed."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from orchestrator.errors import NewerFormatError, StorageError, UsageError
from orchestrator.serving.batch.inputs import InputFile
from orchestrator.storage import Storage

MANIFEST = "_predictions.json"
FORMAT = 1
# the list grows with the files: it is written that often, and never for more than a tenth of the time
SECONDS, SHARE = 2.0, 10


@dataclass(frozen=True, kw_only=True)
class BatchOrder:
    """What was asked; all answers of a folder are to the same.

    Attributes:
        model: as it was named.
        digest: of its bundle.
        source: the folder with rows.
        keep: columns that are written before the answers.
        keep_all: whether all are.
        suffix: of the files with answers.
        csv: what is said of CSV files.
    """

    model: str
    digest: str
    source: str
    keep: tuple[str, ...]
    keep_all: bool
    suffix: str
    csv: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "keep": list(self.keep), "csv": dict(self.csv)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**{**content, "keep": tuple(content["keep"])})

    def check(self, place: Storage, earlier: BatchOrder) -> None:
        """Raises UsageError when a folder has answers to something else."""
        remedy = "give another --output, or delete that folder"
        if earlier.digest != self.digest:
            same = earlier.model == self.model
            other = f"what {earlier.model} was before" if same else f"another model, {earlier.model}"
            raise UsageError(f"{place}: holds answers of {other}; {remedy}")
        if earlier.source != self.source:
            raise UsageError(f"{place}: holds answers to the files of {earlier.source}; {remedy}")
        for name, options in OPTIONS.items():
            if getattr(earlier, name) != getattr(self, name):
                raise UsageError(f"{place}: was begun with other options ({options}); give the same, or {remedy[5:]}")


OPTIONS = {
    "keep": "--keep",
    "keep_all": "--keep-all",
    "suffix": "--format",
    "csv": "--delimiter, --encoding, --header-line or --keep-lines",
}


@dataclass(frozen=True, kw_only=True)
class AnsweredFile:
    """A file whose answers are written.

    Attributes:
        size, modified: of the file when it was read.
        rows: that it had.
        output: what the file with answers is called.
    """

    size: int
    modified: float | None
    rows: int
    output: str


class BatchManifest:
    """The list of answered files in their folder; written by the driver alone.

    Attributes:
        files: by the name of the file with rows.
        is_new: whether the folder had no such list.
    """

    def __init__(self, place: Storage, order: BatchOrder, files: dict[str, AnsweredFile], *, is_new: bool) -> None:
        self._place, self._order = place, order
        self.files, self.is_new = files, is_new
        self._next = 0.0

    @classmethod
    def open(cls, place: Storage, order: BatchOrder) -> BatchManifest:
        """The list of a folder; an empty one if nothing was answered there.

        Raises:
            UsageError: its answers are to something else.
            StorageError: it cannot be read.
        """
        if not place.has(MANIFEST):
            return cls(place, order, {}, is_new=True)
        try:
            content = json.loads(place.read(MANIFEST))
            if content["format"] > FORMAT:
                raise NewerFormatError(f"{place}: {MANIFEST} was written by a newer version of this program; update it")
            order.check(place, BatchOrder.from_json(content["order"]))
            return cls(
                place, order, {name: AnsweredFile(**file) for name, file in content["files"].items()}, is_new=False
            )
        except (ValueError, KeyError, TypeError):
            raise StorageError(
                f"{place}: {MANIFEST} is damaged; delete it with the answers, or give another --output"
            ) from None

    def has(self, file: InputFile) -> bool:
        """Whether a file is answered as it is now."""
        found = self.files.get(file.name)
        return found is not None and (found.size, found.modified) == (file.size, file.modified)

    def add(self, file: InputFile, rows: int) -> None:
        """Takes a file whose answers are written; the list is written now and then."""
        self.files[file.name] = AnsweredFile(size=file.size, modified=file.modified, rows=rows, output=file.output)
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> None:
        """Writes the list.

        Raises:
            StorageError: it could not be written.
        """
        started = time.monotonic()
        files = {name: asdict(file) for name, file in self.files.items()}
        content = {"format": FORMAT, "order": self._order.to_json(), "files": files}
        self._place.write(MANIFEST, json.dumps(content, indent=1, ensure_ascii=False).encode())
        took = time.monotonic() - started
        self._next = time.monotonic() + max(SECONDS, SHARE * took)
