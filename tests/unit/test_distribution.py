"""Training rows in bins, and how far other rows are from them."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support import mixed_frame

from orchestrator.data import DataOptions, open_dataset
from orchestrator.data.distribution import Distribution, population_stability_index
from orchestrator.data.encoder import FeatureEncoder
from orchestrator.features.bins import CategoryBins, NumericBins
from orchestrator.features.fitted import CategoricalFeature, NumericFeature
from orchestrator.inputs import Inputs

COUNTS = st.integers(1, 12).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(0, 10_000), min_size=bins, max_size=bins)] * 2)
)
VALUES = st.floats(-1e4, 1e4, width=32)
FEW_VALUES = st.sampled_from([0.0, 1.0, -1.0, 0.5])


def columns(values):
    return np.array(values, dtype=np.float32)[:, None]


@given(COUNTS)
def test_the_index_is_symmetric_and_never_negative(counts):
    expected, actual = counts
    index = population_stability_index(expected, actual)
    assert math.isfinite(index)
    assert index >= 0
    assert index == pytest.approx(population_stability_index(actual, expected))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.integers(1, 1000))
def test_the_index_of_equal_shares_is_zero(counts, times):
    assert population_stability_index(counts, [count * times for count in counts]) == pytest.approx(0, abs=1e-12)
    assert population_stability_index(counts, counts) == 0


@given(COUNTS, st.permutations(range(12)))
def test_the_order_of_bins_does_not_matter(counts, order):
    order = [bin for bin in order if bin < len(counts[0])]
    shuffled = [[side[bin] for bin in order] for side in counts]
    assert population_stability_index(*shuffled) == pytest.approx(population_stability_index(*counts))


def test_the_index_is_the_textbooks():
    # Siddiqi's formula by hand: (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5)
    expected = 0.1 * math.log(1.2) - 0.1 * math.log(0.8)
    assert population_stability_index([50, 50], [600, 400]) == pytest.approx(expected)


def test_an_empty_bin_counts_as_half_a_row():
    expected = (0.1 - 0.005) * math.log(0.1 / 0.005) + (0.9 - 1.0) * math.log(0.9)
    assert population_stability_index([0, 100], [10, 90]) == pytest.approx(expected)
    assert population_stability_index([0, 50, 50], [0, 60, 40]) == population_stability_index([50, 50], [60, 40])


def test_no_rows_are_no_shift():
    assert population_stability_index([3, 4], [0, 0]) == 0
    assert population_stability_index([0, 0], [3, 4]) == 0


def test_rows_of_the_same_distribution_have_a_small_index_and_shifted_ones_a_large_one():
    random = np.random.default_rng(0)
    bins = NumericBins.of(columns(random.normal(size=10_000)), 0, None)
    assert len(bins.counts) == 10
    assert set(bins.counts) == {1000}

    def index(values):
        return population_stability_index(bins.counts, bins.count(Inputs({"numeric": columns(values)})))

    assert index(random.normal(size=2000)) < 0.02
    assert index(random.normal(1, size=2000)) > 0.25
    assert index(random.normal(0, 3, size=2000)) > 0.25


@given(st.lists(VALUES | FEW_VALUES, min_size=1, max_size=60), st.lists(VALUES | FEW_VALUES, max_size=30))
def test_every_row_is_in_one_bin(training, others):
    bins = NumericBins.of(columns(training), 0, None)
    assert 1 <= len(bins.edges) <= 9
    assert sum(bins.counts) == len(training)
    assert bins.count(Inputs({"numeric": columns(training)})).tolist() == list(bins.counts)
    counts = bins.count(Inputs({"numeric": columns(others)}))
    limits = [-math.inf, *bins.edges, math.inf]
    for position, count in enumerate(counts):
        assert count == sum(limits[position] < value <= limits[position + 1] for value in columns(others)[:, 0])


@given(hnp.arrays(np.float32, st.integers(1, 80), elements=FEW_VALUES))
def test_a_value_of_more_than_a_fifth_of_the_rows_is_alone_in_its_bin(training):
    bins = NumericBins.of(training[:, None], 0, None)
    for value in np.unique(training):
        own = np.count_nonzero(training == value)
        if own * 5 > len(training):
            position = np.flatnonzero(bins.count(Inputs({"numeric": columns([value])})))[0]
            assert bins.counts[position] == own


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5, 0.95, 0.99])
def test_a_change_of_a_rare_truth_value_is_seen(share):
    training = (np.arange(10_000) < share * 10_000).astype(np.float32)[:, None]
    bins = NumericBins.of(training, 0, None)
    flipped = bins.count(Inputs({"numeric": 1 - training}))
    if share == 0.5:
        assert population_stability_index(bins.counts, flipped) == 0
    else:
        assert population_stability_index(bins.counts, flipped) > 0.25


@pytest.mark.parametrize("value", [-3.0, 2.0])
def test_another_value_in_a_column_that_was_constant_is_seen(value):
    bins = NumericBins.of(columns([0.0] * 500), 0, None)
    assert population_stability_index(bins.counts, bins.count(Inputs({"numeric": columns([0.0] * 500)}))) == 0
    assert population_stability_index(bins.counts, bins.count(Inputs({"numeric": columns([value] * 500)}))) > 1


def test_missing_values_are_a_bin_of_their_own():
    numeric = np.array([[0, 1], [0, 1], [0.0, 0], [1, 0], [2, 0], [3, 0]], dtype=np.float32)
    bins = NumericBins.of(numeric, 0, 1)
    assert bins.counts[-1] == 2
    assert bins.edges == (0.0, 1.0, 2.0)
    assert bins.counts == (1, 1, 1, 1, 2)
    nothing_known = NumericBins.of(numeric[:2], 0, 1)
    assert (nothing_known.edges, nothing_known.counts) == ((), (0, 2))


@given(
    st.integers(2, 40).flatmap(lambda size: st.tuples(st.just(size), st.lists(st.integers(0, size - 1), min_size=1)))
)
def test_every_code_is_in_one_bin(made):
    cardinality, codes = made
    rows = np.array(codes, dtype=np.int64)[:, None]
    bins = CategoryBins.of(rows, 0, cardinality)
    assert sum(bins.counts) == len(codes)
    assert bins.count(Inputs({"categorical": rows})).tolist() == list(bins.counts)
    *frequent, others, unknown, missing = bins.counts
    assert frequent == sorted(frequent, reverse=True)
    assert len(frequent) == min(20, cardinality - 2)
    assert frequent == [codes.count(code) for code in bins.codes]
    assert (unknown, missing) == (codes.count(0), codes.count(1))
    assert all(codes.count(code) <= frequent[-1] for code in range(2, cardinality) if code not in bins.codes)
    assert others == sum(codes.count(code) for code in range(2, cardinality) if code not in bins.codes)


@pytest.fixture(scope="module")
def dataset():
    frame = mixed_frame(400).assign(constant_day="2024-01-31", quantity=np.arange(400) % 7)
    return open_dataset(frame, DataOptions(target="label"))


@pytest.fixture(scope="module")
def distribution(dataset):
    return Distribution.of(dataset.schema, dataset.encoder, dataset.train.inputs)


def test_columns_without_an_input_are_left_out(dataset, distribution):
    names = [column.name for column in dataset.schema.columns]
    assert list(distribution.columns) == [name for name in names if name != "constant_day"]
    assert all(sum(counts) == len(dataset.train) for counts in distribution.columns.values())


def test_training_rows_are_binned_as_they_were(dataset, distribution):
    counts = distribution.bin_rows(dataset.train.inputs)
    assert {name: tuple(found.tolist()) for name, found in counts.items()} == distribution.columns
    assert all(found.dtype == np.int64 for found in counts.values())
    empty = distribution.bin_rows(dataset.train.inputs.between(0, 0))
    assert {name: len(found) for name, found in empty.items()} == {n: len(c) for n, c in distribution.columns.items()}
    assert not any(found.any() for found in empty.values())


def test_a_shift_is_seen_in_its_column_only(dataset, distribution):
    rows = mixed_frame(400, seed=1).assign(constant_day="2024-01-31", quantity=np.arange(400) % 7)
    rows["number"] = rows["number"] + 6
    rows["color"] = rows["color"].replace({"red": "violet"})
    counts = distribution.bin_rows(dataset.encoder.transform(dataset.schema, rows))
    index = {name: population_stability_index(distribution.columns[name], found) for name, found in counts.items()}
    assert {name for name, value in index.items() if value > 0.25} == {"number", "color"}
    assert all(index[name] < 0.1 for name in ("flag", "quantity", "day"))


def test_json_keeps_everything(dataset, distribution):
    again = Distribution.from_json(json.loads(json.dumps(distribution.to_json(), allow_nan=False)))
    assert again == distribution
    assert again.fits(dataset.encoder)


def test_a_distribution_does_not_fit_another_encoder(dataset, distribution):
    encoder = dataset.encoder
    assert not distribution.fits(FeatureEncoder(numeric=encoder.numeric[1:], categorical=encoder.categorical))
    assert not distribution.fits(FeatureEncoder(numeric=encoder.numeric, categorical=()))
    other = CategoricalFeature("color", ("blue",))
    assert not distribution.fits(FeatureEncoder(numeric=encoder.numeric, categorical=(other,)))
    added = NumericFeature(column="new", part=None, median=0.0, mean=0.0, std=1.0, indicator=False)
    assert not distribution.fits(FeatureEncoder(numeric=(*encoder.numeric, added), categorical=encoder.categorical))


@pytest.mark.parametrize(
    "bins",
    [
        {"kind": "numeric", "place": 0, "missing": None, "edges": [1.0, 1.0], "counts": [1, 2, 3]},
        {"kind": "numeric", "place": 0, "missing": None, "edges": [1.0], "counts": [1, 2, 3]},
        {"kind": "numeric", "place": 0, "missing": 1, "edges": [1.0], "counts": [1, 2]},
        {"kind": "numeric", "place": 0, "missing": None, "edges": ["a"], "counts": [1, 2]},
        {"kind": "numeric", "place": 0, "missing": None, "edges": [], "counts": [1], "more": 1},
        {"kind": "categorical", "place": 0, "cardinality": 4, "codes": [2, 3], "counts": [1, 2]},
        {"kind": "categorical", "place": 0, "cardinality": 3, "codes": [3], "counts": [1, 2, 3, 4]},
        {"kind": "categorical", "place": 0, "cardinality": 4, "codes": [2, 2], "counts": [1, 2, 3, 4, 5]},
        {"kind": "categorical", "place": 0, "cardinality": 3, "codes": [2], "counts": [1, 2, 3, "4"]},
        {"kind": "numeric", "place": 0, "missing": None, "edges": [], "counts": [-1]},
        {"kind": "other", "place": 0},
        {"place": 0},
        [],
    ],
)
def test_damaged_json_is_refused(bins):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Distribution.from_json({"columns": {"x": bins}})


def test_a_date_is_binned_by_its_day():
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=100, freq="D"), "label": ["a", "b"] * 50})
    dataset = open_dataset(frame, DataOptions(target="label"))
    distribution = Distribution.of(dataset.schema, dataset.encoder, dataset.train.inputs)
    later = pd.DataFrame({"day": pd.date_range("2021-01-01", periods=100, freq="D")})
    counts = distribution.bin_rows(dataset.encoder.transform(dataset.schema, later))["day"]
    assert counts.tolist() == [0] * 9 + [100]
