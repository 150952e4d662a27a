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


def few(dataset):
    return [note for note in dataset.notes if "chance" in note.done]


@pytest.mark.parametrize("positives", [3, 9])
def test_figures_about_few_rows_are_said_to_be_chance(positives):
    (note,) = few(opened(positives, 0))
    assert note.column == "fraud"
    assert note.why == f"has only {positives} rows of class 'yes'"
    assert "--metric log_loss" in note.option


def test_ten_rows_of_a_class_need_no_note():
    assert few(opened(10, 0)) == []


def test_many_classes_with_few_rows_are_one_short_note():
    frame = pd.DataFrame({"x": np.arange(400.0) ** 0.5, "kind": [f"k{row % 80:02}" for row in range(400)]})
    (note,) = few(open_dataset(frame, DataOptions(target="kind", name="kinds")))
    assert "5 rows of class 'k00' and" in note.why
    assert note.why.endswith("and few of 75 more classes")


@pytest.mark.parametrize(("positives", "expected"), [(5, ["has only 5 rows of class 'yes'"]), (10, [])])
def test_rows_of_a_class_are_counted_over_all_files_of_a_folder(tmp_path, positives, expected):
    random = np.random.default_rng(0)
    for part in range(2):
        labels = np.where((np.arange(200) < positives // 2 + (positives % 2) * part), "yes", "no")
        frame = pd.DataFrame({"x": random.normal(size=200), "fraud": random.permutation(labels)})
        frame.to_parquet(tmp_path / f"part-{part}.parquet")
    dataset = open_dataset(str(tmp_path), DataOptions(target="fraud", name="frauds"))
    assert dataset.pieces is not None
    assert [note.why for note in few(dataset)] == expected
