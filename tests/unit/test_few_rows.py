"""A class with a few rows: each part gets one, or it is said before any trial what is needed."""

import numpy as np
import pandas as pd
import pytest

from orchestrator.data import DataOptions, open_dataset
from orchestrator.data.splits import Holdout
from orchestrator.errors import DataError
from orchestrator.sweeps.plan import check_measured
from orchestrator.tasks import metric_named


def opened(positives, seed, rows=400):
    random = np.random.default_rng(seed)
    fraud = np.full(rows, "no", dtype=object)
    fraud[random.choice(rows, positives, replace=False)] = "yes"
    return open_dataset(
        pd.DataFrame({"x": random.normal(size=rows), "fraud": fraud}), DataOptions(target="fraud", name="frauds")
    )


@pytest.mark.parametrize("positives", [3, 4, 5, 7])
@pytest.mark.parametrize("seed", range(4))
def test_every_part_has_rows_of_a_class_that_has_three(positives, seed):
    dataset = opened(positives, seed)
    parts = [dataset.train.target, dataset.validation.target, dataset.test.target]
    assert all(part.sum() >= 1 for part in parts)
    assert sum(part.sum() for part in parts) == positives
    check_measured(dataset, metric_named("roc_auc"))


@pytest.mark.parametrize(("positives", "shown"), [(1, "1 row"), (2, "2 rows")])
def test_a_class_with_fewer_rows_is_named_before_any_trial(positives, shown):
    dataset = opened(positives, 0)
    with pytest.raises(DataError, match=rf"'fraud'.*class 'yes' has {shown}, and at least 3 are needed.*--metric"):
        check_measured(dataset, metric_named("roc_auc"))
    check_measured(dataset, metric_named("accuracy"))


def test_a_split_in_which_all_parts_are_mixed_is_the_one_of_scikit_learn():
    from sklearn.model_selection import train_test_split

    strata = np.arange(200) % 3
    _, test = train_test_split(np.arange(200), test_size=0.2, random_state=42, stratify=strata)
    assert Holdout().positions(200, strata).test.tolist() == sorted(test)
