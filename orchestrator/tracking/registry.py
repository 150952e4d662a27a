"""Registering a winner: the bundle as an MLflow model, how good it is, and whether it becomes the champion."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestrator.bundle.files import CARD_FILE
from orchestrator.bundle.registration import Figure, Registration
from orchestrator.errors import ConfigError
from orchestrator.tasks import metric_named
from orchestrator.tracking import tags
from orchestrator.tracking.lengths import shortened
from orchestrator.tracking.rollout import promote, read_rollout
from orchestrator.tracking.store import tracked
from orchestrator.tracking.versions import find_version, link_version, make_version
from orchestrator.tracking.winner import describe_version
from orchestrator.units import show_apart

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

YES, NO, IN_DOUBT = "yes", "no", "in doubt"


@dataclass(frozen=True)
class Comparison:
    """A figure beside that of the champion.

    Attributes:
        verdict: `incomparable` when they were not measured alike.
        sentence: why it cannot be compared, or both values.
    """

    verdict: Literal["better", "equal", "worse", "incomparable"]
    sentence: str


def register_bundle(
    client: MlflowClient, run_id: str, name: str, folder: Path, *, figure: Figure, model_digest: str, doubt: str = ""
) -> Registration:
    """Makes a bundle's folder a version of a registered model, and moves the alias `champion` if it is better.

    One model is one version: where there is one of the same digest, nothing new is registered. What was cut off after
    any step (the model's files, the version, its tags, the alias) goes on from there when it is tried again. The tag
    with the decision about the champion is written last; from then on, the alias is the user's business.

    Args:
        client: of the store.
        run_id: the winning trial's run.
        name: of the registered model.
        folder: what `ModelBundle.save` wrote.
        figure: by which it is compared with the present champion.
        model_digest: of what makes the model, see `Winner.digest`.
        doubt: why it must not become the champion, whatever its figures; nothing if it may.

    Raises:
        TrackingError: the store cannot be used.
    """
    with tracked(client.tracking_uri):
        version = find_version(client, name, model_digest)
        if version is not None and _is_decided(version, doubt):
            return _registered_before(client, version)
        if version is None:
            version = make_version(
                client, run_id, name=name, folder=folder, model_digest=model_digest, labels=_labels(figure)
            )
        link_version(client, version)
        card = folder / CARD_FILE
        describe_version(client, version, card.read_text(encoding="utf-8") if card.is_file() else "")
        champion, reason = _compare(client, name, str(version.version), figure, doubt)
        if champion:
            promote(client, name, str(version.version))
        decision = f"{YES if champion else IN_DOUBT if doubt else NO}: {reason}"
        client.set_model_version_tag(name, str(version.version), tags.DECISION, shortened(decision))
    return Registration(name=name, version=str(version.version), champion=champion, reason=reason)


def _labels(figure: Figure) -> dict[str, str]:
    labels = {tags.METRIC: figure.metric.name, tags.DIGEST: figure.digest}
    labels[tags.MAXIMIZE] = str(figure.metric.maximize).lower()
    values = {tags.VALIDATION_VALUE: figure.validation, tags.TEST_VALUE: figure.test}
    labels |= {key: repr(value) for key, value in values.items() if value is not None}
    return labels | ({tags.VALIDATION_TIE: json.dumps(dict(figure.tie))} if figure.tie else {})


def _is_decided(version: ModelVersion, doubt: str) -> bool:
    """Whether the registration is complete; what was in doubt and is no more is decided again."""
    verdict, _, _ = version.tags.get(tags.DECISION, "").partition(": ")
    return verdict in (YES, NO) or (verdict == IN_DOUBT and bool(doubt))


def _registered_before(client: MlflowClient, version: ModelVersion) -> Registration:
    champion = read_rollout(client, version.name).champion == str(version.version)
    _, _, reason = version.tags[tags.DECISION].partition(": ")
    sentence = f"this model was registered before, so nothing new was ({reason})"
    return Registration(
        name=version.name, version=str(version.version), champion=champion, reason=sentence, existing=True
    )


def read_figure(client: MlflowClient, name: str, version: str) -> Figure | None:
    """What `register_bundle` has noted about a version, None where it was registered by other means."""
    labels = client.get_model_version(name, version).tags
    try:
        maximize = {"true": True, "false": False}.get(labels.get(tags.MAXIMIZE, ""))
        metric = metric_named(labels.get(tags.METRIC, ""), maximize=maximize)
    except ConfigError:
        return None
    validation, test = (_value(labels, key) for key in (tags.VALIDATION_VALUE, tags.TEST_VALUE))
    if tags.DIGEST not in labels or (validation is None and test is None):
        return None
    return Figure(metric=metric, validation=validation, test=test, digest=labels[tags.DIGEST], tie=_tie(labels))


def _tie(labels: Mapping[str, str]) -> dict[str, float]:
    """What decides between equal ones; nothing where it is not known."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        found = json.loads(labels.get(tags.VALIDATION_TIE, "{}"))
        return {str(name): float(value) for name, value in found.items()}
    return {}


def _value(labels: Mapping[str, str], key: str) -> float | None:
    with contextlib.suppress(ValueError, KeyError):
        value = float(labels[key])
        return None if math.isnan(value) else value
    return None


def compare(figure: Figure, champion: Figure | None, version: str) -> Comparison:
    """A figure beside that of the champion, whose version is `version`."""
    if champion is None:
        return Comparison("incomparable", f"the present champion, version {version}, has no figures")
    if champion.digest != figure.digest:
        return Comparison("incomparable", f"the present champion, version {version}, was measured on other data")
    metric = figure.metric
    if champion.metric != metric:
        chosen = f"was chosen by {champion.metric.name}, not by {metric.name}"
        return Comparison("incomparable", f"the present champion, version {version}, {chosen}")
    rows, mine, other = "validation", figure.validation, champion.validation
    if mine is None or other is None:
        rows, mine, other = "test", figure.test, champion.test
    if mine is None or other is None:
        return Comparison("incomparable", f"the present champion, version {version}, was measured on other rows")
    shown, beside = show_apart(mine, other)
    figures = f"{metric.name} {shown} on the {rows} rows against {beside} of version {version}"
    if mine == other:
        return _compare_equal(figure, champion, figures) if rows == "validation" else Comparison("equal", figures)
    return Comparison("better" if metric.better(mine, other) else "worse", figures)


def _compare_equal(figure: Figure, champion: Figure, figures: str) -> Comparison:
    """What decides between equal ones, as between the epochs and the trials of a sweep."""
    for name, mine in figure.tie.items():
        other = champion.tie.get(name)
        if other is not None and mine != other:
            shown, beside = show_apart(mine, other)
            verdict: Literal["better", "worse"] = "better" if mine < other else "worse"
            return Comparison(verdict, f"{figures}, {name} {shown} against {beside}")
    return Comparison("equal", figures)


def _compare(client: MlflowClient, name: str, version: str, figure: Figure, doubt: str) -> tuple[bool, str]:
    """Whether a new version becomes the champion, and why or why not."""
    present = read_rollout(client, name).champion
    if present == version:
        return True, "it is the champion"
    by_hand = f"to make it the champion: `orchestrator promote {name} {version} --force`"
    if doubt:
        return False, f"{doubt}; {by_hand}"
    if present is None:
        return True, "it is the first champion"
    comparison = compare(figure, read_figure(client, name, present), present)
    if comparison.verdict == "incomparable":
        return False, f"{comparison.sentence}; {by_hand}"
    if comparison.verdict == "better":
        return True, f"it beats the champion before: {comparison.sentence}"
    return False, f"it does not beat the champion: {comparison.sentence}"
