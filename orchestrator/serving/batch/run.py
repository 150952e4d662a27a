"""Answers the files of a folder through Ray Data, on a cluster or on a Ray of its own."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.cluster import ray_session
from orchestrator.columns.csv_wish import CsvWish
from orchestrator.config import read_csv_wish
from orchestrator.environment import no_such_file
from orchestrator.errors import ExecutionError, UsageError
from orchestrator.serving.batch.inputs import InputFile, find_inputs
from orchestrator.serving.batch.left_out import without_lines
from orchestrator.serving.batch.manifest import BatchManifest, BatchOrder
from orchestrator.serving.batch.worker import FileResult, FileTask, RayDataAnswerer, SentModel
from orchestrator.serving.inference.offline import OfflineModel
from orchestrator.serving.inference.prepared_cache import copy_prepared, find_prepared, keep_prepared_now
from orchestrator.storage import Storage

Notify = Callable[[str], None]
# between two sentences about how far it is
TELL_SECONDS = 10.0
# blocks of Ray Data; of more files, a block has several
MOST_BLOCKS = 2000
SHOWN_OTHERS = 3
# of Ray, about its own way to start the actors of Ray Data
WARNING = b"has constructor arguments in the object store and max_restarts > 0"


@dataclass(frozen=True, kw_only=True)
class FolderAnswers:
    """What a run over a folder has done.

    Attributes:
        output: where the answers are.
        files: that are answered now.
        rows: of these files.
        files_before, rows_before: that were answered by an earlier run, as they are now.
        failed: by the names of files that could not be answered, the sentence that says why.
        seconds: that answering took, without the start of Ray.
    """

    output: str
    files: int
    rows: int
    files_before: int
    rows_before: int
    failed: Mapping[str, str]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "failed": dict(self.failed)}


def predict_folder(
    model: str,
    folder: str | Path,
    output: str | Path,
    *,
    keep: Sequence[str] = (),
    keep_all: bool = False,
    file_format: str = "parquet",
    csv: CsvWish | Mapping[str, Any] | None = None,
    address: str | None = None,
    workers: int | None = None,
    tracking_uri: str | None = None,
    notify: Notify = lambda _sentence: None,
) -> FolderAnswers:
    """Answers each file of a folder with a model; each has its answers in a file of the same name, in the same order.

    A file's answers are those of `predict`, to the last bit. Each is written whole or not at all: a run that was ended
    goes on when it is called again, and files that have changed since are answered anew. A file that cannot be answered
    does not keep the others from it.

    Args:
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or the folder of a model bundle.
        folder: with CSV, Parquet or JSON files, and folders with such; or an address such as `s3://bucket/folder`.
            On a cluster, all nodes must see it.
        output: folder or address for the answers; it is made if it is missing.
        keep: columns to write before the answers.
        keep_all: write all columns.
        file_format: `parquet`, `csv`, `csv.gz`, `json` or `jsonl`.
        csv: how CSV files are written, instead of what is found out; see `sweep`.
        address: of a Ray cluster; one is started on this machine if left out.
        workers: processes that answer, each on a core. All cores if left out.
        tracking_uri: MLflow store, or None for MLflow's default.
        notify: is told how far it is.

    Raises:
        UsageError: there is nothing to answer, or `output` has answers to something else.
        NoSuchModelError, BundleError: see `predict`.
        ExecutionError: Ray cannot be used.
        StorageError: a folder cannot be read or written.
    """
    source, place = Storage.at(folder), Storage.at(output)
    if source.is_local and not Path(source.path).is_dir():
        raise UsageError(no_such_file(Path(folder), "folder"))
    if place == source or place.address.startswith(f"{source.address}/"):
        raise UsageError(
            f"--output {output}: is in the folder with the rows, and would be read with them; give another one"
        )
    suffix, wish = f".{file_format}", read_csv_wish(csv)
    inputs, others = find_inputs(source, suffix)
    if others:
        shown = ", ".join(others[:SHOWN_OTHERS]) + (", ..." if len(others) > SHOWN_OTHERS else "")
        notify(f"passed over, since their names are those of no tables: {shown}")
    found = OfflineModel.fetch(model, tracking_uri)
    order = BatchOrder(
        model=model,
        digest=_digest(found.files),
        source=str(source),
        keep=tuple(dict.fromkeys(keep)),
        keep_all=keep_all,
        suffix=suffix,
        csv=wish.to_json(),
    )
    manifest = BatchManifest.open(place, order)
    _check_output(place, manifest, inputs)
    waiting = [file for file in inputs if not manifest.has(file)]
    done = [manifest.files[file.name] for file in inputs if manifest.has(file)]
    results: Sequence[FileResult] = ()
    started = time.monotonic()
    if waiting:
        place.prepare()
        manifest.write()
        task = FileTask(source=source, output=place, keep=order.keep, keep_all=keep_all, suffix=suffix, csv=wish)
        results, started = _answered(found, task, waiting, manifest, address=address, workers=workers, notify=notify)
    return FolderAnswers(
        output=str(place),
        files=sum(result.error is None for result in results),
        rows=sum(result.rows for result in results),
        files_before=len(done),
        rows_before=sum(file.rows for file in done),
        failed={result.file.name: result.error for result in results if result.error is not None},
        seconds=time.monotonic() - started,
    )


def _digest(files: Mapping[str, bytes]) -> str:
    state = hashlib.sha256()
    for name in sorted(files):
        state.update(f"{name}={hashlib.sha256(files[name]).hexdigest()};".encode())
    return state.hexdigest()


def _check_output(place: Storage, manifest: BatchManifest, inputs: Sequence[InputFile]) -> None:
    """Raises UsageError when files would be lost that are no answers of this model."""
    if manifest.is_new:
        taken = place.details().keys() & {file.output for file in inputs}
        if taken:
            raise UsageError(f"--output {place}: {min(taken)} is there already; give another folder")


def _answered(
    model: OfflineModel,
    task: FileTask,
    files: Sequence[InputFile],
    manifest: BatchManifest,
    *,
    address: str | None,
    workers: int | None,
    notify: Notify,
) -> tuple[list[FileResult], float]:
    """The results for all files, and when the first of them was begun."""
    # so that small files get what `predict` would give them from now on
    keep_prepared_now(model.files)
    sent = SentModel(files=model.files, path=str(model.path), prepared=_prepared_files(model.key))
    results: list[FileResult] = []
    told: set[str] = set()
    # the last ones to be done are small: then no worker is long alone
    ordered = sorted(files, key=lambda file: -file.size)
    cores = None if address else workers
    with ray_session(address, num_cpus=cores, notify=notify), without_lines(WARNING):
        started = heard = time.monotonic()
        try:
            for result in _results(sent, task, ordered, workers):
                results.append(result)
                if result.error is None:
                    manifest.add(result.file, result.rows)
                for note in result.notes:
                    if note not in told:
                        told.add(note)
                        notify(f"{result.file.name}: {note}")
                if time.monotonic() - heard > TELL_SECONDS:
                    heard = time.monotonic()
                    notify(_progress(results, len(files), heard - started))
        finally:
            manifest.write()
    return results, started


def _progress(results: Sequence[FileResult], files: int, seconds: float) -> str:
    rows = sum(result.rows for result in results)
    return f"{len(results):,} of {files:,} files, {rows:,} rows, {rows / seconds:,.0f} rows/s"


def _prepared_files(key: str) -> dict[str, bytes] | None:
    """What an earlier command has prepared of a model on this machine."""
    if find_prepared(key) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as name:
        folder = Path(name) / "prepared"
        if not copy_prepared(key, folder):
            return None
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def _results(model: SentModel, task: FileTask, files: Sequence[InputFile], workers: int | None) -> Iterator[FileResult]:
    """The results, as they come.

    Raises:
        ExecutionError: Ray has lost them, or there is no core.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    cores = int(ray.cluster_resources().get("CPU", 0))
    if not cores:
        raise ExecutionError("the cluster has no CPU core; start Ray's nodes with some")
    most = min(workers or cores, len(files))
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = [{"file": json.dumps(asdict(file))} for file in files]
    answered = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS)).map_batches(
        RayDataAnswerer,
        batch_size=1,
        batch_format="numpy",
        compute=ActorPoolStrategy(min_size=1, max_size=most, initial_size=most, max_tasks_in_flight_per_actor=1),
        fn_constructor_kwargs={"model": ray.put(model), "task": task},
        num_cpus=1,
    )
    try:
        for row in answered.iter_rows():
            yield FileResult.from_json(row["result"])
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:300]
        raise ExecutionError(
            f"answering on Ray has failed ({reason}); what is written stays, and the same command goes on"
        ) from error
