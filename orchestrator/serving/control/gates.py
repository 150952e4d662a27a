"""What a version has to pass before it takes traffic: it loads, answers as it did, breaks nothing, is not worse."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from orchestrator.bundle.content import schema_in
from orchestrator.bundle.files import read_folder
from orchestrator.data import Schema
from orchestrator.errors import BreakingChangeError, BundleError, GateError, OrchestratorError
from orchestrator.serving.control.compatibility import breaking_changes, listed
from orchestrator.serving.inference.prepared_cache import find_prepared, keep_prepared_later, key_of
from orchestrator.serving.inference.prepared_model import PreparedModel
from orchestrator.tracking.models import fetch_model
from orchestrator.tracking.registry import compare, read_figure
from orchestrator.tracking.rollout import read_rollout
from orchestrator.tracking.store import tracked
from orchestrator.units import show_apart

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from orchestrator.bundle import ModelBundle

# float32 networks differ so much between processors and versions of torch
TOLERANCE = 1e-5


def check_prepared(key: str) -> PreparedModel | None:
    """A model that was prepared before, if it answers its own example rows as it should; None if torch must be asked.

    Args:
        key: of `key_of`.
    """
    prepared = find_prepared(key)
    if prepared is not None:
        # what onnxruntime and the processor differ by may add up to more than the tolerance
        with contextlib.suppress(GateError):
            check_answers(prepared)
            return prepared
    return None


def check_answers(bundle: ModelBundle | PreparedModel) -> None:
    """Lets a bundle answer its own example rows.

    The answers to the rows of its example.json must be those stored there: labels equal, probabilities and values
    within 1e-5, relative and absolute; values also within 1e-5 of the target's standard deviation.

    Raises:
        GateError: an answer is another one; which row, and both figures.
    """
    rows, stored = _records(bundle, "rows"), _records(bundle, "answers")
    if not rows or len(rows) != len(stored):
        raise GateError("its example.json must hold rows and as many answers, so that the model can be tried on them")
    try:
        found = bundle.answer(pd.DataFrame(rows)).records()
    except Exception as error:  # torch raises many kinds
        reason = " ".join(str(error).split())[:200]
        raise GateError(f"the model cannot answer the rows of its example.json: {reason}") from error
    task = bundle.schema.target.task
    absolute = TOLERANCE * max(1.0, task.scale(bundle.target_encoder) or 1.0)
    parts = {column.name: column.part_name for column in task.answers}
    for row, (answer, wanted) in enumerate(zip(found, stored, strict=True)):
        problem = _difference(_flat(answer, parts), _flat(wanted, parts), absolute)
        if problem:
            raise GateError(f"row {row + 1} of its example.json: {problem}")


def check_metric(client: MlflowClient, name: str, version: str, champion: str | None) -> str:
    """Makes sure that a version is not worse than the champion, both measured on the same rows.

    Args:
        client: of the store.
        name: of the registered model.
        version: that is to become the champion.
        champion: the present one's version; with None everything passes.

    Returns:
        Both figures, as a sentence.

    Raises:
        GateError: it is worse, or the two cannot be compared.
        TrackingError: the store cannot be used.
    """
    passed, sentence = _judge(client, name, version, champion)
    if not passed:
        raise GateError(f"version {version} of '{name}': {sentence}; --force makes it the champion all the same")
    return sentence


def check_compatible(
    tracking_uri: str | None, name: str, version: str, schema: Schema, champion: str, *, breaking: bool = False
) -> str:
    """Makes sure that who calls the champion is answered by another version, too, and in the same form.

    Args:
        tracking_uri: of the store, or None for MLflow's default.
        name: of the registered model.
        version: that is to take traffic.
        schema: its columns and its target.
        champion: the present one's version.
        breaking: tell what breaks, but let it pass.

    Returns:
        What was found, as a sentence.

    Raises:
        BreakingChangeError: it needs other requests or gives other answers, or the champion cannot be read to know.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
            served = schema_in(fetch_model(f"models:/{name}/{champion}", tracking_uri, Path(folder)).path)
    except OrchestratorError as error:
        problem = f"what callers of version {champion} rely on cannot be read ({error})"
    else:
        changes = breaking_changes(served, schema)
        if not changes:
            return f"takes all requests that version {champion} takes, and answers in the same form"
        problem = f"breaks what callers of version {champion} rely on: {listed(changes)}"
    if breaking:
        return f"{problem} (accepted)"
    raise BreakingChangeError(f"version {version} of '{name}': {problem}; --breaking lets it pass all the same")


def gate_version(
    client: MlflowClient,
    tracking_uri: str | None,
    name: str,
    version: str,
    *,
    force: bool = False,
    breaking: bool = False,
) -> list[str]:
    """Runs all gates.

    Args:
        client: of the store.
        tracking_uri: the same store, or None for MLflow's default.
        name: of the registered model.
        version: that is to take traffic.
        force: tell how it compares with the champion, but do not require that it is not worse.
        breaking: tell what breaks for the champion's callers, but do not require that nothing does.

    Returns:
        What was checked, as sentences with figures.

    Raises:
        BundleError: the bundle is damaged, or holds what could run code.
        GateError: see `check_answers`, `check_compatible` and `check_metric`.
        TrackingError: there is no such version, or the store cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        try:
            bundle = _try_out(fetch_model(f"models:/{name}/{version}", tracking_uri, Path(folder)).path)
        except (BundleError, GateError) as error:
            # the folder is gone when the sentence is read
            reason = str(error).replace(f"{folder}/", "")
            raise type(error)(f"version {version} of '{name}': {reason}") from error
    rows = len(bundle.example["rows"])
    checks = [f"version {version} loads, and answers its {rows} example rows as when it was made (within {TOLERANCE})"]
    champion = read_rollout(client, name).champion
    if champion not in (None, version):
        checks.append(check_compatible(tracking_uri, name, version, bundle.schema, champion, breaking=breaking))
    if not force:
        return [*checks, check_metric(client, name, version, champion)]
    passed, sentence = _judge(client, name, version, champion)
    return [*checks, sentence if passed else f"{sentence} (not required)"]


def _try_out(folder: Path) -> ModelBundle | PreparedModel:
    """A bundle that answers its example rows as it should; without torch if it was prepared on this machine before.

    Raises:
        BundleError, GateError: it does not.
    """
    files = read_folder(folder)
    key = key_of(files)
    prepared = check_prepared(key)
    if prepared is not None:
        return prepared
    from orchestrator.bundle import ModelBundle

    bundle = ModelBundle.of_files(files, folder)
    check_answers(bundle)
    keep_prepared_later(files, key)
    return bundle


def _judge(client: MlflowClient, name: str, version: str, champion: str | None) -> tuple[bool, str]:
    """Whether a version is known not to be worse than the champion, and a sentence with the figures."""
    if champion is None:
        return True, "there is no champion to compare it with"
    if champion == version:
        return True, "it is the champion already"
    with tracked(client.tracking_uri):
        figure = read_figure(client, name, version)
        if figure is None:
            return False, "it has no figures to compare with the champion's"
        comparison = compare(figure, read_figure(client, name, champion), champion)
    if comparison.verdict == "worse":
        return False, f"worse than the champion: {comparison.sentence}"
    return comparison.verdict != "incomparable", comparison.sentence


def _records(bundle: ModelBundle | PreparedModel, key: str) -> list[dict[str, Any]]:
    """A list of JSON objects in example.json, empty when it is anything else."""
    found = bundle.example.get(key)
    return found if isinstance(found, list) and all(isinstance(item, dict) for item in found) else []


def _difference(found: Mapping[str, Any], stored: Mapping[str, Any], absolute: float) -> str | None:
    """What differs between two answers to a row, None if nothing does."""
    if found.keys() != stored.keys():
        return f"the model answers {', '.join(found)}, stored is {', '.join(stored) or 'nothing'}"
    for key, value in found.items():
        other = stored[key]
        numbers = isinstance(value, float) and isinstance(other, int | float) and not isinstance(other, bool)
        same = abs(value - other) <= absolute + TOLERANCE * abs(other) if numbers else value == other
        if not same:
            shown, before = show_apart(value, float(other)) if numbers else (str(value), str(other))
            return f"{key} is {shown}, but was {before} when the model was made"
    return None


def _flat(answer: Mapping[str, Any], parts: Mapping[str, str]) -> dict[str, Any]:
    """{"label": 1, "probabilities": {"0": 0.1}} -> {"label": 1, "the probability of 0": 0.1}."""
    flat: dict[str, Any] = {}
    for key, value in answer.items():
        if isinstance(value, Mapping):
            flat |= {f"the {parts.get(key, key)} of {part}": number for part, number in value.items()}
        else:
            flat[key] = value
    return flat
