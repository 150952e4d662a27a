"""What answers one file after another, in a process of Ray Data: it holds the model."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.bundle.files import write_folder
from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.columns.notes import DataWarning, warn
from orchestrator.data.json_tables import is_json
from orchestrator.data.parquet import is_parquet
from orchestrator.errors import OrchestratorError
from orchestrator.serving.batch.inputs import InputFile
from orchestrator.serving.inference.offline import OfflineModel, check_kept
from orchestrator.serving.inference.prepared_model import PreparedModel, load_prepared
from orchestrator.serving.inference.row_writers import write_frames
from orchestrator.storage import Storage


@dataclass(frozen=True, kw_only=True)
class SentModel:
    """A model on its way to workers.

    Attributes:
        files: of its bundle.
        path: what the sentence of an error calls it.
        prepared: the files that were prepared of it before; None if it was not, and torch answers all.
    """

    files: Mapping[str, bytes]
    path: str
    prepared: Mapping[str, bytes] | None


@dataclass(frozen=True, kw_only=True)
class FileTask:
    """What is the same for all files.

    Attributes:
        source, output: folders with rows and with answers.
        keep, keep_all: columns that are written before the answers.
        suffix: of the files with answers.
        csv: what is said of CSV files.
    """

    source: Storage
    output: Storage
    keep: tuple[str, ...]
    keep_all: bool
    suffix: str
    csv: CsvWish


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """What became of a file.

    Attributes:
        file: that was read.
        rows: that are answered.
        error: the sentence, if it could not be answered; None if it was.
        notes: what was guessed about its rows.
    """

    file: InputFile
    rows: int = 0
    error: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """As it travels."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> FileResult:
        """The inverse of `to_json`."""
        content = json.loads(text)
        content |= {"file": InputFile(**content["file"]), "notes": tuple(content["notes"])}
        return cls(**content)


class FileAnswerer:
    """Answers files, with a model that is loaded once."""

    def __init__(self, model: SentModel, task: FileTask) -> None:
        self._sent, self._task = model, task

    def answer(self, file: InputFile) -> FileResult:
        """Writes the answers to the rows of a file; they are there complete or not at all."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", DataWarning)
            try:
                rows, error = self._write(file), None
            except OrchestratorError as failed:
                rows, error = 0, str(failed)
        return FileResult(
            file=file, rows=rows, error=error, notes=tuple(dict.fromkeys(str(one.message) for one in said))
        )

    def _write(self, file: InputFile) -> int:
        task = self._task
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as name:
            folder = Path(name)
            with _readable(task.source, file.name, folder) as path:
                table = self._model.open(path, PLAIN_CSV if is_parquet(path) or is_json(path) else task.csv)
                warn(table.notes)
                check_kept(table, task.keep)
                keep = table.columns if task.keep_all else task.keep
                blocks = (found.joined(keep) for found in self._model.answers(table))
                if not task.output.is_local:
                    written = folder / f"answers{task.suffix}"
                    rows = write_frames(blocks, written, task.suffix)
                    task.output.take(written, file.output)
                    return rows
                target = Path(task.output.path) / file.output
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary = target.with_name(f".{target.name}.writing")
                try:
                    rows = write_frames(blocks, temporary, task.suffix)
                    temporary.replace(target)
                finally:
                    temporary.unlink(missing_ok=True)
                return rows

    @cached_property
    def _model(self) -> OfflineModel:
        return OfflineModel(self._sent.files, Path(self._sent.path), lambda _key: self._prepared())

    def _prepared(self) -> PreparedModel | None:
        if self._sent.prepared is None:
            return None
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as name:
            write_folder(self._sent.prepared, Path(name))
            return load_prepared(Path(name))


@contextmanager
def _readable(source: Storage, name: str, folder: Path) -> Iterator[Path]:
    """A file of this machine with the same content; messages call it by its address.

    Raises:
        OrchestratorError: whatever is raised in the context.
    """
    if source.is_local:
        yield Path(source.path) / name
        return
    path = folder / Path(name).name
    source.fetch(name, path)
    try:
        yield path
    except OrchestratorError as error:
        error.args = (str(error).replace(str(path), f"{source}/{name}"), *error.args[1:])
        raise


class RayDataAnswerer:
    """`FileAnswerer`, as Ray Data makes and calls it."""

    def __init__(self, model: Any, task: FileTask) -> None:  # noqa: ANN401
        """Args:
        model: reference to a `SentModel`.
        task: see `FileAnswerer`.
        """
        import ray

        self._answerer = FileAnswerer(ray.get(model), task)

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Files as JSON in, results as JSON out."""
        results = [self._answerer.answer(InputFile(**json.loads(text))) for text in batch["file"]]
        return {"result": np.array([result.to_json() for result in results], dtype=object)}
