"""How often the test rows of a data set were looked at, as far as a store knows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator.tracking import tags
from orchestrator.tracking.store import PAGE, tracked

if TYPE_CHECKING:
    from mlflow import MlflowClient


def count_looks(client: MlflowClient, digest: str, but: str) -> int:
    """How often models were measured on the test rows of the data of this digest, by all runs but `but`.

    Each look is a small chance to find a model that is good on these rows only.

    Raises:
        TrackingError: the store cannot be used.
    """
    condition = f"tags.`{tags.DIGEST}` = '{digest}' and tags.`{tags.TEST_LOOKS}` != ''"
    with tracked(client.tracking_uri):
        experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=PAGE)]
        runs = client.search_runs(experiments, condition, max_results=PAGE) if experiments else []
    return sum(int(run.data.tags[tags.TEST_LOOKS]) for run in runs if run.info.run_id != but)


def note_look(client: MlflowClient, run_id: str, test: Mapping[str, float], digest: str) -> int:
    """Writes the figures of a training run on the test rows to it.

    Returns:
        How often models were measured on these rows, this time included.

    Raises:
        TrackingError: the store cannot be used.
    """
    from mlflow.entities import Metric, RunTag

    with tracked(client.tracking_uri):
        now = int(time.time() * 1000)
        figures = [Metric(f"test_{name}", value, now, 0) for name, value in test.items()]
        client.log_batch(run_id, figures, [], [RunTag(tags.TEST_LOOKS, "1")])
    return 1 + count_looks(client, digest, run_id)
